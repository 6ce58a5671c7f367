//! Tests ownership, retention, limits and questions of tasks.

use super::*;

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

#[test]
fn tasks_are_limited_per_caller_and_in_total() {
    let tasks = Arc::new(Tasks::new(Clock::manual()));
    let caller = |n: usize| Caller::new(None, format!("caller {n}"), [""; 0]);
    for n in 0..MAX_TASKS / MAX_TASKS_PER_CALLER {
        for _ in 0..MAX_TASKS_PER_CALLER {
            begun(&tasks, &caller(n)).end(End::Completed("{}".into()));
        }
        assert!(tasks.open(&caller(n), &[], Duration::ZERO).is_none());
    }
    assert!(tasks.open(&caller(MAX_TASKS), &[], Duration::ZERO).is_none());
}

#[test]
fn results_are_limited_including_reserved_bytes() {
    let tasks = Arc::new(Tasks::new(Clock::manual()));
    let caller = |n: usize| Caller::new(None, format!("caller {n}"), [""; 0]);
    let mut at_work: Vec<_> =
        (0..MAX_KEPT_BYTES / RESERVED_BYTES).map(|n| begun(&tasks, &caller(n))).collect();
    let more = || tasks.open(&caller(MAX_TASKS), &[], Duration::ZERO).is_some();
    assert!(!more(), "all the room is set aside");
    let mut end = |result: String| at_work.pop().expect("there are many").end(End::Completed(result.into()));
    end("x".repeat(RESERVED_BYTES));
    assert!(!more(), "a result takes what was set aside for it");
    end("x".to_owned());
    assert!(!more(), "with its one byte there is not room enough for another");
    end(String::new());
    assert!(more(), "a result that takes less leaves room");
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
