//! Holds the values that handlers keep for one session, by their type.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt, mem,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::runtime::Handle;

/// The values of one session: at most one of each type.
#[derive(Default)]
pub(crate) struct SessionState {
    values: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl SessionState {
    /// Returns the value of type `T`, which the first request for it makes.
    pub(crate) fn get<T: Any + Default + Send + Sync>(&self) -> Option<Arc<T>> {
        // A panic of `T::default` leaves the map as it was.
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let value = values.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default()));
        Arc::clone(value).downcast().ok()
    }
}

impl fmt::Debug for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionState").finish_non_exhaustive()
    }
}

impl Drop for SessionState {
    fn drop(&mut self) {
        let values = mem::take(self.values.get_mut().unwrap_or_else(PoisonError::into_inner));
        if values.is_empty() {
            return;
        }
        // A session ends on a thread that serves all others, and these destructors are the author's.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || drop(values));
        }
    }
}
