//! Two sides measured in turns → medians and what lies between them.

use std::time::{Duration, Instant};

/// One side's measurements.
pub struct Side {
    /// Its name in the report.
    pub name: &'static str,
    times: Vec<Duration>,
}

impl Side {
    /// A side without measurements.
    pub fn new(name: &'static str) -> Self {
        Self { name, times: Vec::new() }
    }

    /// Adds one measurement.
    pub fn add(&mut self, time: Duration) {
        self.times.push(time);
    }

    /// Adds the time since `start`.
    pub fn since(&mut self, start: Instant) {
        self.add(start.elapsed());
    }

    /// The median in microseconds.
    pub fn median(&self) -> f64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6
    }
}

/// Prints `ours` beside `yardstick`, in microseconds.
pub fn report(what: &str, ours: &Side, yardstick: &Side) {
    let (a, b) = (ours.median(), yardstick.median());
    println!(
        "{what:24} {}: {a:9.1} µs   {}: {b:9.1} µs   difference: {:+8.1} µs   ratio: {:.2}",
        ours.name,
        yardstick.name,
        a - b,
        a / b
    );
}

/// Whether `cargo bench` runs this: under `cargo test` a benchmark has nothing to say.
pub fn wanted() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}
