//! Tests tasks of several replicas, in the database that `CANDOR_TEST_POSTGRES` names.

use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::{
    clock::Clock,
    database::tests::{TestDeployment, new_deployment},
    state_key::StateKey,
    store::SharedDatabase,
    tasks::{ClaimedTask, End, Running},
    tool::ask::{ClientFeatures, Question},
};

/// Ends the leases of a deployment.
const EXPIRE: &str = "UPDATE candor.tasks SET lease_end = now() - interval '1 s' WHERE deployment = $1";
/// The time in which what one replica does must be seen by another.
const DEADLINE: Duration = Duration::from_secs(30);

fn replica(deployment: &TestDeployment) -> (Arc<Database>, Arc<Tasks>) {
    let database = deployment.open();
    let shared = SharedDatabase::new(Arc::clone(&database));
    let tasks = Tasks::start(Clock::default(), &shared, &StateKey::of_test());
    (database, tasks)
}

fn ada() -> Arc<Caller> {
    Arc::new(Caller::new(Some("https://a.example"), "ada", ["read"]))
}

async fn begun(tasks: &Arc<Tasks>) -> Running {
    let running = tasks.open_for(&ada(), &["read"], Duration::from_secs(30)).await.unwrap();
    Running::begin(tasks, running.id()).expect("it was opened");
    running
}

/// Ends the leases of all tasks of a deployment. Returns their number.
async fn expire(database: &Arc<Database>) -> u64 {
    let deployment = database.deployment;
    let expired = database.statement(move |connection| {
        Box::pin(async move { connection.client.execute(EXPIRE, &[&deployment]).await })
    });
    expired.await.unwrap()
}

/// Keeps the tasks that a replica takes over.
#[derive(Clone, Default)]
struct TakenOver(Arc<Mutex<Vec<ClaimedTask>>>);

impl RunsAgain for TakenOver {
    fn declaration(&self, call: &StoredCall) -> Option<(&'static [&'static str], Duration)> {
        (call.declaration == [1; 32]).then_some((&["read"], Duration::from_secs(30)))
    }

    fn run(&self, task: ClaimedTask) {
        self.0.lock().unwrap().push(task);
    }
}

/// A replica that takes tasks over.
fn claiming(deployment: &TestDeployment) -> (Arc<Database>, Arc<Tasks>, TakenOver) {
    let ((database, tasks), claims) = (replica(deployment), TakenOver::default());
    tasks.set_runs_again(claims.clone());
    (database, tasks, claims)
}

fn idempotent_call(declaration: [u8; 32]) -> StoredCall {
    let arguments = Map::from_iter([("item".to_owned(), json!("x"))]);
    let (tool, key, features) = ("put".to_owned(), Some("key".to_owned()), ClientFeatures::default());
    StoredCall { tool, declaration, arguments, key, features }
}

/// Begins a task in a replica that then dies. Returns the task's id.
async fn of_dead_replica(deployment: &TestDeployment, call: StoredCall) -> String {
    let (database, tasks) = replica(deployment);
    let running = tasks.open_for(&ada(), &["read"], Duration::from_secs(30)).await.unwrap();
    running.keep_call(Ok(call));
    Running::begin(&tasks, running.id()).expect("it was opened");
    let id = running.id().to_owned();
    tokio::task::spawn_blocking(move || database.close()).await.unwrap();
    id
}

/// Waits until a replica sees a task in a state.
async fn seen(tasks: &Arc<Tasks>, id: &str, is_wanted: impl Fn(&TaskState) -> bool) -> TaskState {
    let seen = async {
        loop {
            let task = tasks.find(&ada(), id).await.unwrap().expect("it is known");
            if is_wanted(&task.state) {
                return task.state;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
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
        let other = Arc::new(other);
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
    assert_eq!(expire(&database).await, 2);
    let end = seen(&second, &id, |state| matches!(state, TaskState::Ended(_))).await;
    let TaskState::Ended(End::Failed(error)) = end else { panic!("{end:?}") };
    assert_eq!(error["data"]["reason"], "task_outcome_unknown");
    assert!(first.find(&ada(), "another").await.is_err(), "its database is closed");
    drop(never_begun);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn idempotent_task_of_a_dead_replica_is_taken_over_by_one_other() {
    let deployment = new_deployment();
    let id = of_dead_replica(&deployment, idempotent_call([1; 32])).await;
    let replicas = [claiming(&deployment), claiming(&deployment), claiming(&deployment)];
    assert_eq!(expire(&replicas[0].0).await, 1);
    let ada = ada();
    let other = Arc::new(Caller::new(None, "ada", ["read"]));
    assert!(replicas[0].1.find(&other, &id).await.unwrap().is_none(), "it is another caller's");
    let found = replicas.iter().map(|(_, tasks, _)| tasks.find(&ada, &id));
    for task in futures::future::try_join_all(found).await.unwrap() {
        assert_eq!(task.expect("it is known").state, TaskState::Working);
    }
    let mut claimed: Vec<_> =
        replicas.iter().flat_map(|(.., claims)| std::mem::take(&mut *claims.0.lock().unwrap())).collect();
    assert_eq!(claimed.len(), 1, "one replica runs it");
    let ClaimedTask { call, caller, attempts, running } = claimed.remove(0);
    assert_eq!((call, caller, attempts), (idempotent_call([1; 32]), ada, 1));
    running.end(End::Completed("{}".into()));
    for (_, tasks, _) in &replicas {
        let end = seen(tasks, &id, |state| matches!(state, TaskState::Ended(_))).await;
        assert_eq!(end, TaskState::Ended(End::Completed("{}".into())));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn task_whose_replicas_die_again_and_again_fails() {
    let deployment = new_deployment();
    let id = of_dead_replica(&deployment, idempotent_call([1; 32])).await;
    let mut runs = Vec::new();
    for attempts in 1..3 {
        let (database, tasks, claims) = claiming(&deployment);
        assert_eq!(expire(&database).await, 1);
        assert_eq!(tasks.find(&ada(), &id).await.unwrap().unwrap().state, TaskState::Working);
        let claimed = claims.0.lock().unwrap().pop().expect("it runs");
        assert_eq!(claimed.attempts, attempts);
        // It never ends, and its replica dies.
        runs.push(claimed);
        tokio::task::spawn_blocking(move || database.close()).await.unwrap();
    }
    let (database, tasks, claims) = claiming(&deployment);
    assert_eq!(expire(&database).await, 1);
    let state = tasks.find(&ada(), &id).await.unwrap().unwrap().state;
    let TaskState::Ended(End::Failed(error)) = state else { panic!("{state:?}") };
    assert_eq!(error["data"]["reason"], "task_interrupted");
    assert!(claims.0.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a database: set CANDOR_TEST_POSTGRES to its address"]
async fn task_of_a_dead_replica_is_cancelled_or_ends_as_unknown_without_a_run() {
    let deployment = new_deployment();
    let cancelled = of_dead_replica(&deployment, idempotent_call([1; 32])).await;
    let redeclared = of_dead_replica(&deployment, idempotent_call([2; 32])).await;
    let (database, tasks, claims) = claiming(&deployment);
    assert_eq!(expire(&database).await, 2);
    assert_eq!(tasks.request_cancel(&ada(), &cancelled).await, Ok(true));
    let state = tasks.find(&ada(), &cancelled).await.unwrap().unwrap().state;
    assert_eq!(state, TaskState::Ended(End::Cancelled));
    let state = tasks.find(&ada(), &redeclared).await.unwrap().unwrap().state;
    let TaskState::Ended(End::Failed(error)) = state else { panic!("{state:?}") };
    assert!(error["message"].as_str().unwrap().contains("declares its tool otherwise"), "{error:?}");
    assert!(claims.0.lock().unwrap().is_empty());
}
