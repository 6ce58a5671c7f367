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

/// Prints `ours` beside `yardstick`.
pub fn report(what: &str, ours: &Side, yardstick: &Side) {
    let (a, b) = (ours.median(), yardstick.median());
    let (scale, unit) = if b < 1e4 { (1.0, "µs") } else { (1e-3, "ms") };
    println!(
        "{what:24} {}: {:9.1} {unit}   {}: {:9.1} {unit}   difference: {:+8.1} {unit}   ratio: {:.2}",
        ours.name,
        a * scale,
        yardstick.name,
        b * scale,
        (a - b) * scale,
        a / b
    );
}

/// Whether `cargo bench` runs this: under `cargo test` a benchmark has nothing to say.
pub fn wanted() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}
