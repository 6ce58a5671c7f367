//! Tests ownership, retention, limits and questions of tasks.

use super::{
    bounds::{MAX_TASKS, MAX_TASKS_PER_CALLER},
    entry::MIN_RETENTION_AFTER_END,
    *,
};
use crate::tool::ask::Question;

fn ada(scopes: &[&str]) -> Caller {
    Caller::new(Some("https://a.example"), "ada", scopes.iter().copied())
}

fn begun(tasks: &Arc<Tasks>, caller: &Caller) -> Running {
    let running = tasks.open(caller, &["read"], Duration::from_secs(30)).expect("there is room");
    Running::begin(tasks, running.id()).expect("it was opened");
    running
}

#[test]
fn task_is_visible_to_its_caller_with_its_scopes_only() {
    let tasks = Arc::new(Tasks::new(Clock::manual()));
    let running = begun(&tasks, &ada(&["read"]));
    let id = running.id().to_owned();
    assert!(tasks.get(&ada(&["read", "more"]), &id).is_some());
    for other in [
        ada(&[]),
        Caller::new(Some("https://b.example"), "ada", ["read"]),
        Caller::new(None, "ada", ["read"]),
        Caller::new(Some("https://a.example"), "bob", ["read"]),
    ] {
        assert!(tasks.get(&other, &id).is_none(), "{other:?}");
        assert!(
            !tasks.cancel(&other, &id) && tasks.answer(&other, &id, []) == AnswerStatus::Unknown,
            "{other:?}"
        );
    }
    assert!(!running.cancelled().is_cancelled());
    assert!(tasks.cancel(&ada(&["read"]), &id) && running.cancelled().is_cancelled());
}

#[test]
fn task_that_never_began_is_forgotten() {
    let tasks = Arc::new(Tasks::new(Clock::manual()));
    let running = tasks.open(&ada(&[]), &[], Duration::ZERO).expect("there is room");
    assert!(tasks.get(&ada(&[]), running.id()).is_none());
    drop(running);
    assert!(tasks.tasks().is_empty());
}

#[test]
fn ended_task_is_kept_until_its_retention_ends() {
    let clock = Clock::manual();
    let tasks = Arc::new(Tasks::new(clock.clone()));
    let (early, late) = (begun(&tasks, &ada(&["read"])), begun(&tasks, &ada(&["read"])));
    let [early_id, late_id] = [&early, &late].map(|running| running.id().to_owned());
    let snapshot = |id: &str| tasks.get(&ada(&["read"]), id).is_some();
    early.end(End::Completed("{}".into()));
    clock.advance(Duration::from_millis(629_999));
    assert!(snapshot(&early_id));
    clock.advance(Duration::from_millis(1));
    assert!(!snapshot(&early_id), "its time is over");
    assert!(snapshot(&late_id), "what runs is not forgotten");
    late.end(End::Cancelled);
    assert!(snapshot(&late_id), "its end is not known yet");
    clock.advance(MIN_RETENTION_AFTER_END);
    assert!(!snapshot(&late_id));
}

fn numbered(n: usize) -> Caller {
    Caller::new(None, format!("caller {n}"), ["read"])
}

/// Ends a new task with a result of so many bytes, and returns its id.
fn ended(tasks: &Arc<Tasks>, caller: &Caller, bytes: usize) -> String {
    let running = begun(tasks, caller);
    let id = running.id().to_owned();
    running.end(End::Completed("x".repeat(bytes).into()));
    id
}

fn is_dropped(tasks: &Tasks, caller: &Caller, id: &str) -> bool {
    let state = tasks.get(caller, id).expect("it is still known").state;
    matches!(state, TaskState::Ended(End::Dropped))
}

#[test]
fn eight_callers_can_have_sixty_four_running_tasks_each() {
    let tasks = Arc::new(Tasks::new(Clock::manual()));
    let _running: Vec<_> = (0..MAX_TASKS).map(|n| begun(&tasks, &numbered(n % 8))).collect();
    let Err(of_caller) = tasks.open(&numbered(0), &[], Duration::ZERO) else { panic!("one too many") };
    assert_eq!((of_caller.of, of_caller.max), (TasksOf::Caller, 64));
    let Err(in_all) = tasks.open(&numbered(8), &[], Duration::ZERO) else { panic!("one too many") };
    assert_eq!((in_all.of, in_all.max), (TasksOf::Server, 512));
}

#[test]
fn caller_that_waits_as_told_can_open_a_task_again() {
    let clock = Clock::manual();
    let tasks = Arc::new(Tasks::new(clock.clone()));
    // An earlier task that is kept for longer, and a later one that is kept for less.
    let long = tasks.open(&numbered(0), &[], Duration::from_secs(3_600)).expect("there is room");
    Running::begin(&tasks, long.id()).expect("it was opened");
    clock.advance(Duration::from_secs(10));
    for n in 1..MAX_TASKS {
        let running = begun(&tasks, &numbered(n / MAX_TASKS_PER_CALLER));
        clock.advance(Duration::from_millis(100));
        if n % 2 == 0 {
            running.end(End::Completed("{}".into()));
        } else {
            running.end(End::Cancelled);
        }
    }
    let open = |caller: usize| tasks.open(&numbered(caller), &[], Duration::ZERO).map(drop);
    let limit = open(0).expect_err("it has 64 tasks");
    assert_eq!(limit.of, TasksOf::Caller);
    clock.advance(limit.wait.saturating_sub(Duration::from_nanos(1)));
    assert_eq!(open(0).expect_err("one nanosecond too early").wait, Duration::from_secs(1));
    clock.advance(Duration::from_nanos(1));
    // Takes the free place for good, so that the other caller has to wait for the next one.
    begun(&tasks, &numbered(0)).end(End::Cancelled);
    let limit = open(8).expect_err("there are 512 tasks");
    assert_eq!(limit.of, TasksOf::Server);
    clock.advance(limit.wait);
    open(8).expect("the wait is over");
}

#[tokio::test]
async fn wait_for_a_task_with_questions_lasts_until_its_last_round_ends() {
    let clock = Clock::manual();
    let tasks = Arc::new(Tasks::new(clock.clone()));
    let running: Vec<_> = (0..MAX_TASKS_PER_CALLER).map(|_| begun(&tasks, &numbered(0))).collect();
    let question = || vec![("a".to_owned(), Question::Roots)];
    for running in &running {
        assert!(tokio::time::timeout(Duration::ZERO, running.ask(question())).await.is_err());
    }
    let Err(limit) = tasks.open(&numbered(0), &[], Duration::ZERO) else { panic!("one too many") };
    // 630 s to answer, 30 s to run, 60 s to fetch the result.
    assert_eq!(limit.wait, Duration::from_secs(720));
}

#[test]
fn results_over_the_limit_of_their_caller_drop_its_oldest_result() {
    let clock = Clock::manual();
    let tasks = Arc::new(Tasks::new(clock.clone()));
    let (ada, other) = (ada(&["read"]), numbered(0));
    let untouched = ended(&tasks, &other, MAX_KEPT_RESULT_BYTES_PER_CALLER);
    let half = MAX_KEPT_RESULT_BYTES_PER_CALLER / 2;
    let first = ended(&tasks, &ada, half);
    clock.advance(Duration::from_millis(1));
    let second = ended(&tasks, &ada, half);
    clock.advance(Duration::from_millis(1));
    let third = ended(&tasks, &ada, 1);
    assert!(is_dropped(&tasks, &ada, &first));
    assert!(!is_dropped(&tasks, &ada, &second) && !is_dropped(&tasks, &ada, &third));
    // `second` and `third` are fetched by now, `fourth` is not.
    let fourth = ended(&tasks, &ada, half);
    assert!(is_dropped(&tasks, &ada, &second));
    assert!(!is_dropped(&tasks, &ada, &third) && !is_dropped(&tasks, &ada, &fourth));
    assert!(!is_dropped(&tasks, &other, &untouched));
}

#[test]
fn fetched_results_are_dropped_before_those_that_are_not() {
    let clock = Clock::manual();
    let tasks = Arc::new(Tasks::new(clock.clone()));
    let ada = ada(&["read"]);
    let part = MAX_KEPT_RESULT_BYTES_PER_CALLER / 2;
    let unfetched = ended(&tasks, &ada, part);
    clock.advance(Duration::from_millis(1));
    let fetched = ended(&tasks, &ada, part);
    tasks.get(&ada, &fetched).expect("it is kept");
    let latest = ended(&tasks, &ada, part);
    assert!(is_dropped(&tasks, &ada, &fetched));
    assert!(!is_dropped(&tasks, &ada, &unfetched) && !is_dropped(&tasks, &ada, &latest));
}

#[test]
fn results_over_the_limit_in_total_drop_one_of_the_caller_with_the_most_bytes() {
    let tasks = Arc::new(Tasks::new(Clock::manual()));
    let callers = MAX_KEPT_RESULT_BYTES / MAX_KEPT_RESULT_BYTES_PER_CALLER;
    let heavy = ended(&tasks, &numbered(0), MAX_KEPT_RESULT_BYTES_PER_CALLER);
    let others: Vec<_> =
        (1..callers).map(|n| ended(&tasks, &numbered(n), MAX_KEPT_RESULT_BYTES_PER_CALLER - 1)).collect();
    let fits = ended(&tasks, &numbered(callers), callers - 1);
    assert!(!is_dropped(&tasks, &numbered(0), &heavy), "exactly at the limit");
    let exceeds = ended(&tasks, &numbered(callers), 1);
    assert!(is_dropped(&tasks, &numbered(0), &heavy));
    for (n, id) in (1..).zip(&others) {
        assert!(!is_dropped(&tasks, &numbered(n), id));
    }
    for id in [fits, exceeds] {
        assert!(!is_dropped(&tasks, &numbered(callers), &id));
    }
}

#[tokio::test]
async fn questions_are_answered_one_by_one() {
    let tasks = Arc::new(Tasks::new(Clock::manual()));
    let caller = ada(&["read"]);
    let running = begun(&tasks, &caller);
    let id = running.id().to_owned();
    let asked = running.ask(vec![("a".to_owned(), Question::Roots), ("b".to_owned(), Question::Roots)]);
    let client = async {
        let open = || match tasks.get(&caller, &id).map(|snapshot| snapshot.state) {
            Some(TaskState::Asking(open)) => open.into_iter().map(|(key, _)| key).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        assert_eq!(open(), ["a", "b"]);
        let long = Value::from("x".repeat(MAX_ANSWER_BYTES - 1));
        assert_eq!(tasks.answer(&caller, &id, [("a".to_owned(), long.clone())]), AnswerStatus::TooLarge);
        assert_eq!(
            tasks.answer(&caller, &id, [("x".to_owned(), long)]),
            AnswerStatus::Accepted,
            "it is not kept"
        );
        assert_eq!(open(), ["a", "b"]);
        let said = [("a".to_owned(), 1.into()), ("x".to_owned(), 2.into())];
        assert_eq!(tasks.answer(&caller, &id, said), AnswerStatus::Accepted);
        assert_eq!(open(), ["b"]);
        let said = [("a".to_owned(), 3.into()), ("b".to_owned(), 4.into())];
        assert_eq!(tasks.answer(&caller, &id, said), AnswerStatus::Accepted);
    };
    let (answers, ()) = tokio::join!(asked, client);
    let answers = answers.expect("all are answered");
    assert_eq!(answers, BTreeMap::from([("a".to_owned(), 1.into()), ("b".to_owned(), 4.into())]));
}

#[tokio::test]
async fn a_task_that_nobody_answers_in_its_time_goes_on_without() {
    let clock = Clock::manual();
    let tasks = Arc::new(Tasks::new(clock.clone()));
    let (late, taken_back) = (begun(&tasks, &ada(&["read"])), begun(&tasks, &ada(&["read"])));
    let question = || vec![("a".to_owned(), Question::Roots)];
    assert!(tasks.cancel(&ada(&["read"]), taken_back.id()));
    assert_eq!(taken_back.ask(question()).await, None);
    clock.advance(Duration::from_secs(630));
    assert_eq!(late.ask(question()).await, None);
    assert_eq!(
        tasks.get(&ada(&["read"]), late.id()).map(|snapshot| snapshot.state),
        Some(TaskState::Working)
    );
}
