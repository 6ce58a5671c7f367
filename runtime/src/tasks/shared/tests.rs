//! Tests tasks of several replicas, in the database that `CANDOR_TEST_POSTGRES` names.

use serde_json::json;

use super::*;
use crate::{
    clock::Clock,
    database::tests::{TestDeployment, new_deployment},
    store::SharedDatabase,
    tasks::Running,
    tool::ask::Question,
};

/// Ends the leases of a deployment.
const EXPIRE: &str = "UPDATE candor.tasks SET lease_end = now() - interval '1 s' WHERE deployment = $1";
/// The time in which what one replica does must be seen by another.
const DEADLINE: Duration = Duration::from_secs(30);

fn replica(deployment: &TestDeployment) -> (Arc<Database>, Arc<Tasks>) {
    let database = deployment.open();
    let tasks = Tasks::start(Clock::default(), &SharedDatabase::new(Arc::clone(&database)));
    (database, tasks)
}

fn ada() -> Caller {
    Caller::new(Some("https://a.example"), "ada", ["read"])
}

async fn begun(tasks: &Arc<Tasks>) -> Running {
    let running = tasks.open_for(&ada(), &["read"], Duration::from_secs(30)).await.unwrap();
    Running::begin(tasks, running.id()).expect("it was opened");
    running
}

/// Waits until a replica sees a task in a state.
async fn seen(tasks: &Tasks, id: &str, is_wanted: impl Fn(&TaskState) -> bool) -> TaskState {
    let seen = async {
        loop {
            let task = tasks.find(&ada(), id).await.unwrap().expect("it is known");
            if is_wanted(&task.state) {
                return task.state;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, seen).await.expect("the other replica tells its state")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn task_is_read_answered_and_ended_over_replicas() {
    let deployment = new_deployment();
    let ((_, first), (_, second)) = (replica(&deployment), replica(&deployment));
    let running = begun(&first).await;
    let id = running.id().to_owned();
    assert_eq!(second.find(&ada(), &id).await.unwrap().unwrap().state, TaskState::Working);
    for other in [Caller::new(Some("https://a.example"), "ada", [""; 0]), Caller::new(None, "ada", ["read"])]
    {
        assert!(second.find(&other, &id).await.unwrap().is_none(), "{other:?}");
        assert_eq!(second.update(&other, &id, []).await, Ok(AnswerStatus::Unknown));
        assert_eq!(second.request_cancel(&other, &id).await, Ok(false));
    }
    let questions = vec![("1/a".to_owned(), Question::Roots), ("1/b".to_owned(), Question::Roots)];
    let answering = async {
        seen(&second, &id, |state| matches!(state, TaskState::Asking(open) if open.len() == 2)).await;
        for (key, answer) in [("1/a", json!(1)), ("2/x", json!(2)), ("1/b", json!(3))] {
            let answer = [(key.to_owned(), answer)];
            assert_eq!(second.update(&ada(), &id, answer).await, Ok(AnswerStatus::Accepted));
        }
    };
    let (answers, ()) = futures::join!(running.ask(questions), answering);
    let answers: Vec<_> = answers.unwrap().into_iter().collect();
    assert_eq!(answers, [("1/a".to_owned(), json!(1)), ("1/b".to_owned(), json!(3))]);
    running.end(End::Completed("{}".into()));
    let end = seen(&second, &id, |state| matches!(state, TaskState::Ended(_))).await;
    assert_eq!(end, TaskState::Ended(End::Completed("{}".into())));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn task_is_cancelled_over_replicas() {
    let deployment = new_deployment();
    let ((_, first), (_, second)) = (replica(&deployment), replica(&deployment));
    let running = begun(&first).await;
    assert_eq!(second.request_cancel(&ada(), running.id()).await, Ok(true));
    tokio::time::timeout(DEADLINE, running.cancelled().cancelled()).await.expect("it is cancelled");
    assert_eq!(second.request_cancel(&ada(), "another").await, Ok(false));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn task_of_a_dead_replica_ends_as_unknown() {
    let deployment = new_deployment();
    let ((dead, first), (database, second)) = (replica(&deployment), replica(&deployment));
    let (running, never_begun) = (begun(&first).await, first.open_for(&ada(), &[], DEADLINE).await.unwrap());
    let id = running.id().to_owned();
    tokio::task::spawn_blocking(move || dead.close()).await.unwrap();
    let of_deployment = database.deployment;
    let expired = database.statement(move |connection| {
        Box::pin(async move { connection.client.execute(EXPIRE, &[&of_deployment]).await })
    });
    assert_eq!(expired.await.unwrap(), 2);
    let end = seen(&second, &id, |state| matches!(state, TaskState::Ended(_))).await;
    let TaskState::Ended(End::Failed(error)) = end else { panic!("{end:?}") };
    assert_eq!(error["data"]["reason"], "task_outcome_unknown");
    assert!(first.find(&ada(), "another").await.is_err(), "its database is closed");
    drop(never_begun);
}
