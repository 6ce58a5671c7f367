//! One question to each of two servers, in turns → how long their answers take.

use std::time::Instant;

use tokio::runtime::{Builder, Runtime};

use super::{client::Client, side_by_side::Side};

/// How often each side has its turn.
pub const TURNS: usize = 60;

/// One question to one server. A runtime each: threads that one side wakes are not there to serve the other.
pub struct Asked {
    side: Side,
    runtime: Runtime,
    client: Client,
    method: &'static str,
    params: String,
    holds: &'static str,
}

impl Asked {
    /// A question, and what its answer holds.
    ///
    /// # Panics
    ///
    /// The first answer does not hold it.
    pub fn of(
        name: &'static str,
        client: impl Future<Output = Client>,
        method: &'static str,
        params: impl Into<String>,
        holds: &'static str,
    ) -> Self {
        let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let client = runtime.block_on(client);
        let mut asked = Self { side: Side::new(name), runtime, client, method, params: params.into(), holds };
        let bytes = asked.check(1);
        if method == "tools/list" {
            println!("{name:24} {method}: {bytes} bytes");
        }
        asked
    }

    /// The same for a call.
    ///
    /// # Panics
    ///
    /// The first answer does not hold what it should.
    pub fn call(
        name: &'static str,
        client: impl Future<Output = Client>,
        params: impl Into<String>,
        holds: &'static str,
    ) -> Self {
        Self::of(name, client, "tools/call", params, holds)
    }

    /// Asks without measuring, and reads the answers: a benchmark of refusals would flatter whoever refuses.
    fn check(&mut self, times: usize) -> usize {
        let Self { side, runtime, client, method, params, holds } = self;
        runtime.block_on(async {
            let mut bytes = 0;
            for _ in 0..times {
                let answer = client.ask(method, params).await;
                assert!(answer.contains(*holds), "{} answered {answer}", side.name);
                bytes = answer.len();
            }
            bytes
        })
    }

    fn ask(&mut self, times: usize) {
        let Self { side, runtime, client, method, params, .. } = self;
        runtime.block_on(async {
            for _ in 0..times {
                let start = Instant::now();
                client.ask(method, params).await;
                side.since(start);
            }
        });
    }
}

/// Asks both, so many times a turn, after four turns of each to warm up.
pub fn in_turns(times: usize, ours: Asked, yardstick: Asked) -> [Side; 2] {
    let mut both = [ours, yardstick];
    for asked in &mut both {
        asked.check(4 * times);
    }
    for turn in 0..TURNS {
        for at in [turn % 2, (turn + 1) % 2] {
            both[at].ask(times);
        }
    }
    both.map(|asked| asked.side)
}
