//! The committed contract of `prices`.

use candor::testing::assert_locked;
use candor_examples::prices;

#[test]
fn committed_lock_is_the_contract_of_prices() {
    assert_locked!(prices::server(), "prices.lock.json");
}
