//! Tests which limit refuses a call, what it takes, and how long the call has to wait.

use super::*;
use crate::tool::descriptor::Per;

fn per_minute(calls: u32) -> Rate {
    Rate { calls, per: Per::Minute }
}

fn limits(bounds: &Bounds) -> Limits {
    Limits::new(bounds, [&Descriptor::DEFAULT, &Descriptor::DEFAULT].into_iter(), &SharedDatabase::default())
}

fn bounds() -> Bounds {
    Bounds { clock: Clock::manual(), ..Bounds::default() }
}

fn caller(name: &str) -> Caller {
    Caller::new(None, name, [""; 0])
}

fn seconds(of: LimitOf, seconds: u64) -> Wait {
    Wait::Rate { of, wait: Duration::from_secs(seconds) }
}

#[test]
fn rate_refuses_with_the_time_to_wait_and_allows_after_it() {
    let bounds = Bounds { default_rate: Some(per_minute(2)), ..bounds() };
    let limits = limits(&bounds);
    let ada = caller("ada");
    limits.admit(0, &ada).unwrap();
    limits.admit(0, &ada).unwrap();
    assert_eq!(limits.admit(0, &ada).unwrap_err(), seconds(LimitOf::Tool, 30));
    bounds.clock.advance(Duration::from_secs(30));
    limits.admit(0, &ada).unwrap();
}

#[test]
fn callers_with_one_name_of_two_issuers_have_two_rates() {
    let limits = limits(&Bounds { default_rate: Some(per_minute(1)), ..bounds() });
    let ada = |issuer, scope| Caller::new(issuer, "ada", [scope]);
    limits.admit(0, &ada(Some("https://a.example"), "x")).unwrap();
    limits.admit(0, &ada(Some("https://b.example"), "x")).unwrap();
    limits.admit(0, &ada(None, "x")).unwrap();
    // Another token of the same caller has the same rate.
    limits.admit(0, &ada(Some("https://a.example"), "y")).unwrap_err();
}

#[test]
fn refused_calls_take_from_no_rate() {
    let bounds = Bounds {
        default_rate: Some(per_minute(10)),
        rate_per_caller: Some(per_minute(10)),
        rate_in_all: Some(per_minute(1)),
        ..bounds()
    };
    let limits = limits(&bounds);
    limits.admit(0, &caller("eve")).unwrap();
    for _ in 0..100 {
        assert_eq!(limits.admit(0, &caller("ada")).unwrap_err(), seconds(LimitOf::Server, 60));
    }
    for _ in 0..10 {
        bounds.clock.advance(Duration::from_secs(60));
        limits.admit(0, &caller("ada")).unwrap();
    }
}

#[test]
fn wait_is_the_longest_of_all_rates() {
    let per_second = Rate { calls: 1, per: Per::Second };
    for (bounds, of) in [
        (
            Bounds { default_rate: Some(per_second), rate_in_all: Some(per_minute(1)), ..bounds() },
            LimitOf::Server,
        ),
        (
            Bounds { default_rate: Some(per_minute(1)), rate_in_all: Some(per_second), ..bounds() },
            LimitOf::Tool,
        ),
        (
            Bounds { default_rate: Some(per_second), rate_per_caller: Some(per_minute(1)), ..bounds() },
            LimitOf::Caller,
        ),
    ] {
        let limits = limits(&bounds);
        limits.admit(0, &caller("ada")).unwrap();
        assert_eq!(limits.admit(0, &caller("ada")).unwrap_err(), seconds(of, 60));
        bounds.clock.advance(Duration::from_secs(60));
        limits.admit(0, &caller("ada")).unwrap();
    }
}

#[test]
fn call_without_a_free_slot_takes_from_no_rate() {
    let bounds = Bounds { rate_per_caller: Some(per_minute(2)), default_max_in_flight: Some(1), ..bounds() };
    let limits = limits(&bounds);
    let ada = caller("ada");
    let slot = limits.admit(0, &ada).unwrap();
    for _ in 0..100 {
        assert_eq!(limits.admit(0, &ada).unwrap_err(), Wait::InFlight { of: LimitOf::Tool, max: 1 });
    }
    drop(slot);
    let _slot = limits.admit(0, &ada).unwrap();
    assert_eq!(limits.admit(1, &ada).unwrap_err(), seconds(LimitOf::Caller, 30), "the rate is of all tools");
}

#[test]
fn call_beyond_a_rate_takes_no_slot() {
    let limits = limits(&Bounds { rate_in_all: Some(per_minute(1)), max_in_flight: Some(1), ..bounds() });
    drop(limits.admit(0, &caller("ada")).unwrap());
    limits.admit(0, &caller("ada")).unwrap_err();
    limits.slot(0, &caller("ada")).unwrap();
}

#[test]
fn concurrent_calls_take_no_more_than_the_rate() {
    let limits = limits(&Bounds {
        default_rate: Some(per_minute(60)),
        rate_per_caller: Some(per_minute(50)),
        rate_in_all: Some(per_minute(100)),
        ..bounds()
    });
    let admitted = |name: &'static str| {
        let limits = &limits;
        move || (0..1_000).filter(|_| limits.admit(0, &caller(name)).is_ok()).count()
    };
    let counts: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            ["ada", "ada", "eve", "eve"].map(|name| scope.spawn(admitted(name))).into_iter().collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!((counts[0] + counts[1], counts[2] + counts[3]), (50, 50));
}

#[test]
fn slot_is_free_after_its_call() {
    let limits = limits(&Bounds { default_max_in_flight: Some(1), ..bounds() });
    let slot = limits.slot(0, &caller("ada")).unwrap();
    assert_eq!(limits.slot(0, &caller("ada")).unwrap_err(), Wait::InFlight { of: LimitOf::Tool, max: 1 });
    drop(slot);
    limits.slot(0, &caller("ada")).unwrap();
}

#[test]
fn calls_of_one_caller_do_not_limit_another() {
    let limits = limits(&Bounds { max_in_flight_per_caller: Some(2), ..bounds() });
    let (ada, eve) = (caller("ada"), caller("eve"));
    let slots = [limits.admit(0, &ada).unwrap(), limits.admit(1, &ada).unwrap()];
    let refused = limits.admit(0, &ada).unwrap_err();
    assert_eq!(refused, Wait::InFlight { of: LimitOf::Caller, max: 2 }, "the calls are of two tools");
    let _slot = limits.admit(0, &eve).unwrap();
    drop(slots);
    limits.admit(0, &ada).unwrap();
}

#[test]
fn call_of_a_caller_at_its_limit_takes_nothing() {
    let limits = limits(&Bounds {
        max_in_flight_per_caller: Some(1),
        max_in_flight: Some(2),
        default_rate: Some(per_minute(2)),
        ..bounds()
    });
    let slot = limits.admit(0, &caller("ada")).unwrap();
    for _ in 0..100 {
        limits.admit(0, &caller("ada")).unwrap_err();
    }
    let _slot_of_eve = limits.admit(0, &caller("eve")).unwrap();
    drop(slot);
    limits.admit(0, &caller("ada")).unwrap();
}

#[test]
fn default_limit_of_a_caller_is_a_thousand_calls() {
    let limits = limits(&bounds());
    let slots: Vec<_> = (0..1_000).map(|_| limits.admit(0, &caller("ada")).unwrap()).collect();
    let refused = limits.admit(0, &caller("ada")).unwrap_err();
    assert_eq!(refused, Wait::InFlight { of: LimitOf::Caller, max: 1_000 });
    drop(slots);
}
