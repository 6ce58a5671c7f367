//! Stands in for telemetry in a program that is built without it: everything does nothing.

#![expect(clippy::unused_self, reason = "the methods are those of real telemetry")]

use std::marker::PhantomData;

use super::{ConfirmationEvent, Ending, RequestFacts};
#[cfg(feature = "http")]
use crate::record::DeniedBy;
use crate::{registry::Registry, replica::ReplicaName};

/// The telemetry of one server.
pub(crate) struct NoTelemetry;

impl NoTelemetry {
    pub(crate) fn new(_: &Registry, _: Option<&ReplicaName>) -> Self {
        Self
    }

    pub(crate) fn begin<'a>(&'a self, _: RequestFacts<'a>) -> NoObservation<'a> {
        NoObservation(PhantomData)
    }

    #[cfg(feature = "http")]
    pub(crate) fn denied(&self, _: DeniedBy) {}

    #[cfg(feature = "http")]
    pub(crate) fn session(&self) -> NoSessionCount {
        NoSessionCount
    }

    pub(crate) fn tool(&self, _: usize) -> NoToolTelemetry<'_> {
        NoToolTelemetry(PhantomData)
    }
}

/// The telemetry of one tool.
#[derive(Clone, Copy)]
pub(crate) struct NoToolTelemetry<'a>(PhantomData<&'a ()>);

impl NoToolTelemetry<'_> {
    pub(crate) fn failed(self, _: &str) {}

    pub(crate) fn panicked(self) {}

    pub(crate) fn retried(self) {}

    pub(crate) fn violated_sandbox(self) {}

    pub(crate) fn confirmation(self, _: ConfirmationEvent) {}
}

/// A request that has not ended.
#[must_use = "a request is observed until its end"]
pub(crate) struct NoObservation<'a>(PhantomData<&'a ()>);

impl NoObservation<'_> {
    pub(crate) fn run<F: Future>(&self, work: F) -> F {
        work
    }

    pub(crate) fn end(self, _: Ending) {}
}

/// One open HTTP session.
#[cfg(feature = "http")]
#[derive(Default)]
pub(crate) struct NoSessionCount;

/// Does the work of a request, which counts as observed.
pub(crate) async fn unwatched<W: Future>(work: impl FnOnce() -> W) -> (W::Output, bool) {
    (work().await, true)
}
