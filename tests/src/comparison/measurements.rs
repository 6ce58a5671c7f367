//! Collects the durations of two servers, and prints their medians and the difference between them.

use std::time::{Duration, Instant};

/// The durations of one side of a comparison.
pub struct Measurements {
    /// The name of the side in the report.
    pub name: &'static str,
    times: Vec<Duration>,
}

impl Measurements {
    /// Makes an empty collection.
    pub fn new(name: &'static str) -> Self {
        Self { name, times: Vec::new() }
    }

    /// Adds one duration.
    pub fn add(&mut self, time: Duration) {
        self.times.push(time);
    }

    /// Adds the time since `start`.
    pub fn since(&mut self, start: Instant) {
        self.add(start.elapsed());
    }

    /// Returns the median in microseconds.
    pub fn median(&self) -> f64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6
    }
}

/// Prints `ours` beside `yardstick`.
pub fn report(subject: &str, ours: &Measurements, yardstick: &Measurements) {
    let (a, b) = (ours.median(), yardstick.median());
    let (scale, unit) = if b < 1e4 { (1.0, "µs") } else { (1e-3, "ms") };
    println!(
        "{subject:24} {}: {:9.1} {unit}   {}: {:9.1} {unit}   difference: {:+8.1} {unit}   ratio: {:.2}",
        ours.name,
        a * scale,
        yardstick.name,
        b * scale,
        (a - b) * scale,
        a / b
    );
}

/// Whether `cargo bench` runs this program. `cargo test` runs it too, and must not wait for a measurement.
pub fn is_benchmark_run() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}
