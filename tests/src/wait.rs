//! Waits for conditions, in place of sleeping for a guessed time.

use std::time::Duration;

/// The time after which a condition counts as never met, and the test fails.
const WAIT_TIMEOUT: Duration = Duration::from_secs(40);

/// Checks a condition again and again until it is met.
pub async fn wait_until(mut is_met: impl AsyncFnMut() -> bool) {
    let checks = async {
        while !is_met().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT_TIMEOUT, checks).await.expect("the condition is met");
}
