//! Another attempt after a failure that passes: exponential backoff with full jitter, never past the call's deadline.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder, Retryable as _};

use crate::tool::{call::Call, output::ToolError};

/// The first wait is at most this long; each further one at most twice the one before.
const FIRST: Duration = Duration::from_millis(100);
/// No wait is longer, but for one that the other side asked for.
const LONGEST: Duration = Duration::from_secs(10);

/// Repeats an outbound call of a handler while it fails with [`ToolError::transient`], up to `retries` further times.
///
/// Waits a random time up to a bound that starts at 100 ms and doubles to 10 s (full jitter), or what the failure asks
/// for with [`ToolError::retry_after`] where that is longer. What would run past the call's deadline is not waited for:
/// the last failure is returned at once.
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

/// [`retry`] for a handler that is a plain `fn`.
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

/// The wait after `error`: at least what it asks for, and none where that would be too late.
pub(crate) fn within(deadline: Instant, error: &ToolError, wait: Duration) -> Option<Duration> {
    let wait = wait.max(error.wait().unwrap_or_default());
    let left = deadline.saturating_duration_since(now());
    (wait < left).then_some(wait)
}

/// The time, as a test with a paused clock sees it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits of a random length below a bound that doubles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FullJitter {
    pub(crate) retries: u32,
}

/// See [`FullJitter`].
#[derive(Debug)]
pub(crate) struct Waits(ExponentialBackoff);

impl BackoffBuilder for FullJitter {
    type Backoff = Waits;

    fn build(self) -> Waits {
        let bounds = ExponentialBuilder::default()
            .with_min_delay(FIRST)
            .with_factor(2.0)
            .with_max_delay(LONGEST)
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
    fn every_wait_is_below_its_doubling_bound() {
        for _ in 0..100 {
            let waits: Vec<Duration> = FullJitter { retries: 9 }.build().collect();
            assert_eq!(waits.len(), 9);
            for (at, wait) in waits.iter().enumerate() {
                assert!(*wait <= (FIRST * 2u32.pow(u32::try_from(at).unwrap())).min(LONGEST));
            }
        }
    }

    #[test]
    fn nothing_is_waited_for_past_the_deadline() {
        let deadline = now() + Duration::from_secs(5);
        let century = ToolError::transient("busy").retry_after(Duration::from_secs(100 * 365 * 86_400));
        assert_eq!(within(deadline, &century, Duration::ZERO), None);
        let soon = ToolError::transient("busy").retry_after(Duration::from_secs(2));
        assert_eq!(within(deadline, &soon, Duration::ZERO), Some(Duration::from_secs(2)));
    }
}
