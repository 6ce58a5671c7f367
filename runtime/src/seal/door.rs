//! Work → the threads of a runtime: what many calls bring at once wakes them once.
//!
//! A wake-up of another thread costs more than all else that a sealed call adds, and a client that has thirty calls under
//! way sends them in one go. So they go in together, and what is answered at once comes back together.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Runtime,
    sync::{Notify, oneshot},
};

/// How long answers wait for those that came in with them.
const TOGETHER: Duration = Duration::from_micros(100);

/// A call, which ends in the delivery of its answer.
type Work = Pin<Box<dyn Future<Output = Delivery> + Send>>;
type Delivery = Box<dyn FnOnce() + Send>;

/// The way into a runtime.
pub(super) struct Door {
    waiting: Mutex<Vec<Work>>,
    knock: Notify,
}

impl Door {
    pub(super) fn to(runtime: &Runtime) -> Arc<Self> {
        let door = Arc::new(Self { waiting: Mutex::default(), knock: Notify::new() });
        let inside = Arc::clone(&door);
        let alone = runtime.metrics().num_workers() == 1;
        runtime.spawn(async move {
            loop {
                inside.knock.notified().await;
                let waiting = mem::take(&mut *inside.waiting());
                // Where there are other threads, one that computes for long holds up none that they could take.
                let rest = if alone { begun(waiting) } else { waiting };
                for work in rest {
                    tokio::spawn(async move { (work.await)() });
                }
            }
        });
        door
    }

    /// Runs `work` inside, and brings its answer; none where it panicked. Where it `stops`, it does so once nobody waits
    /// for the answer any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        stops: bool,
    ) -> Option<T> {
        let (mut answer, hear) = oneshot::channel();
        let work = async move {
            let done = if stops {
                tokio::select! {
                    biased;
                    () = answer.closed() => None,
                    done = work => Some(done),
                }
            } else {
                Some(work.await)
            };
            Box::new(move || drop(done.map(|done| answer.send(done)))) as Delivery
        };
        let first = {
            let mut waiting = self.waiting();
            waiting.push(Box::pin(work));
            waiting.len() == 1
        };
        if first {
            // Whoever comes while this one lets others go first goes in with it.
            let _knock = Knock(self);
            pass_turn().await;
        }
        hear.await.ok()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Work>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins each work here, and delivers what is answered at once; the rest has to wait for something.
fn begun(waiting: Vec<Work>) -> Vec<Work> {
    let (mut rest, mut answered) = (Vec::new(), Vec::new());
    let mut start = Instant::now();
    for mut work in waiting {
        // Whoever takes it over polls it first, so nothing that wakes it before that is missed.
        let mut nobody = Context::from_waker(Waker::noop());
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut nobody))) {
            Ok(Poll::Ready(delivery)) => answered.push(delivery),
            Ok(Poll::Pending) => rest.push(work),
            // Nobody is told but whoever waits: the answer's sender is gone with it.
            Err(_) => {}
        }
        if start.elapsed() > TOGETHER {
            deliver(&mut answered);
            start = Instant::now();
        }
    }
    deliver(&mut answered);
    rest
}

fn deliver(answered: &mut Vec<Delivery>) {
    for delivery in answered.drain(..) {
        delivery();
    }
}

/// Knocks when it is dropped: also when the call that was first is given up before its turn.
struct Knock<'a>(&'a Door);

impl Drop for Knock<'_> {
    fn drop(&mut self) {
        self.0.knock.notify_one();
    }
}

/// Lets the tasks that are ready go first. Unlike tokio's `yield_now`, it does not ask the system for events in between.
async fn pass_turn() {
    let mut passed = false;
    std::future::poll_fn(|cx| {
        if mem::replace(&mut passed, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::atomic::{AtomicBool, Ordering},
        task::{Context, Waker},
    };

    use tokio::runtime::Builder;

    use super::*;

    fn inside(threads: usize) -> (Runtime, Arc<Door>) {
        let runtime = Builder::new_multi_thread().worker_threads(threads).build().unwrap();
        let door = Door::to(&runtime);
        (runtime, door)
    }

    /// Dropped work says so.
    struct Dropped(Arc<AtomicBool>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_panic_takes_nothing_else_with_it() {
        for threads in [1, 2] {
            let (runtime, door) = inside(threads);
            let outside = Builder::new_current_thread().build().unwrap();
            let panics = door.run(async { panic!("on purpose") }, false);
            let waits = door.run(tokio::task::yield_now(), true);
            let answers = async { tokio::join!(panics, door.run(async { 5 }, true), waits) };
            assert_eq!(outside.block_on(answers), (None::<()>, Some(5), Some(())));
            drop(runtime);
        }
    }

    #[test]
    fn a_call_that_is_given_up_before_its_turn_leaves_nobody_outside() {
        let (runtime, door) = inside(1);
        let outside = Builder::new_current_thread().build().unwrap();
        let mut first = Box::pin(door.run(async { 1 }, false));
        let mut second = pin!(door.run(async { 2 }, false));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        drop(first);
        assert_eq!(outside.block_on(second), Some(2));
        drop(runtime);
    }

    #[test]
    fn work_stops_with_its_listener_where_it_may() {
        for stops in [true, false] {
            let (runtime, door) = inside(1);
            let outside = Builder::new_current_thread().build().unwrap();
            let gone = Arc::new(AtomicBool::new(false));
            let (dropped, (go, wait)) = (Dropped(Arc::clone(&gone)), oneshot::channel::<()>());
            let work = async move {
                let _dropped = dropped;
                wait.await.is_ok()
            };
            let mut listened = Box::pin(door.run(work, stops));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(listened.as_mut().poll(&mut cx).is_pending());
            drop(listened);
            // One thread inside, first come, first served: twice through the door, and the work has seen that nobody listens.
            outside.block_on(async {
                door.run(async {}, false).await;
                door.run(async {}, false).await;
            });
            assert_eq!(gone.load(Ordering::SeqCst), stops);
            assert_eq!(go.send(()).is_ok(), !stops);
            drop(runtime);
        }
    }
}
