//! Retries after transient failures: exponential backoff with full jitter, within the call's deadline.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder, Retryable as _};

use crate::tool::{call::Call, error::ToolError};

/// The upper bound of the first wait. The bound doubles with each further wait.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The upper bound of all waits. A wait that the failure asks for may be longer.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Repeats an outbound call of a handler while it fails with [`ToolError::transient`], up to `retries` further times.
///
/// Waits a random time up to a bound that starts at 100 ms and doubles to 10 s (full jitter). If the failure asks for a
/// longer wait with [`ToolError::retry_after`], waits that long. If the wait would end after the call's deadline, returns
/// the last failure at once.
///
/// ```
/// use candor::{Call, ToolError, mcp_tool};
///
/// # async fn get(_: &str) -> Result<String, ToolError> { Ok("223.02".into()) }
/// /// Ask the exchange.
/// #[mcp_tool(read_only, public)]
/// async fn ask(call: &Call) -> Result<String, ToolError> {
///     candor::retry(call, 3, || get("AAPL")).await
/// }
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// assert_eq!(ask(&candor::testing::call()).await.unwrap(), "223.02");
/// # });
/// ```
///
/// # Errors
///
/// The last failure.
pub async fn retry<T, F>(call: &Call, retries: u32, operation: impl FnMut() -> F) -> Result<T, ToolError>
where
    F: Future<Output = Result<T, ToolError>>,
{
    let deadline = call.deadline();
    operation
        .retry(FullJitter { retries })
        .sleep(tokio::time::sleep)
        .when(ToolError::is_transient)
        .adjust(|error, wait| wait.and_then(|wait| within(deadline, error, wait)))
        .await
}

/// Does the same as [`retry`] in a handler that is a plain `fn`.
///
/// # Errors
///
/// The last failure.
pub fn retry_blocking<T>(
    call: &Call,
    retries: u32,
    mut operation: impl FnMut() -> Result<T, ToolError>,
) -> Result<T, ToolError> {
    let mut waits = FullJitter { retries }.build();
    loop {
        let error = match operation() {
            Err(error) if error.is_transient() => error,
            settled => return settled,
        };
        match waits.next().and_then(|wait| within(call.deadline(), &error, wait)) {
            Some(wait) => std::thread::sleep(wait),
            None => return Err(error),
        }
    }
}

/// Returns the wait after `error`, at least as long as it asks for; `None` if the wait would end after the deadline.
pub(crate) fn within(deadline: Instant, error: &ToolError, wait: Duration) -> Option<Duration> {
    let wait = wait.max(error.wait().unwrap_or_default());
    let remaining = deadline.saturating_duration_since(now());
    (wait < remaining).then_some(wait)
}

/// Returns the time, which a test with a paused clock controls.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The builder of waits of a random length below a bound that doubles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FullJitter {
    pub(crate) retries: u32,
}

/// The waits of a [`FullJitter`].
#[derive(Debug)]
pub(crate) struct Waits(ExponentialBackoff);

impl BackoffBuilder for FullJitter {
    type Backoff = Waits;

    fn build(self) -> Waits {
        let bounds = ExponentialBuilder::default()
            .with_min_delay(FIRST_WAIT)
            .with_factor(2.0)
            .with_max_delay(MAX_WAIT)
            .with_max_times(self.retries as usize);
        Waits(bounds.build())
    }
}

impl Iterator for Waits {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|bound| bound.mul_f64(fastrand::f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_below_their_doubling_bound() {
        for _ in 0..100 {
            let waits: Vec<Duration> = FullJitter { retries: 9 }.build().collect();
            assert_eq!(waits.len(), 9);
            for (at, wait) in waits.iter().enumerate() {
                assert!(*wait <= (FIRST_WAIT * 2u32.pow(u32::try_from(at).unwrap())).min(MAX_WAIT));
            }
        }
    }

    #[test]
    fn waits_end_before_the_deadline() {
        let deadline = now() + Duration::from_secs(5);
        let century = ToolError::transient("busy").retry_after(Duration::from_secs(100 * 365 * 86_400));
        assert_eq!(within(deadline, &century, Duration::ZERO), None);
        let soon = ToolError::transient("busy").retry_after(Duration::from_secs(2));
        assert_eq!(within(deadline, &soon, Duration::ZERO), Some(Duration::from_secs(2)));
    }
}
