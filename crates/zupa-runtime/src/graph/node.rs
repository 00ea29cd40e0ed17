//! Nodes: asynchronous functions of the state and the context.

use std::future::Future;

use async_trait::async_trait;

use super::{Move, State};
use crate::turn::{Cx, Stop};

/// One step of a graph.
///
/// What it does must follow from the state and from effects made through the
/// context: after a crash it runs again.
#[async_trait]
pub trait Node<S: State>: Send + Sync + 'static {
    /// Runs it.
    ///
    /// *Errors*: a failure of the turn, which is tried again or given up by the
    /// error's retry.
    /// *Cancel safety*: may be dropped at any await; the turn runs again.
    async fn run(&self, state: &S, cx: &mut Cx) -> Result<Move<S>, Stop>;
}

/// A plain `async fn(&S, &mut Cx) -> Result<Move<S>, Stop>`.
///
/// It is a trait because a function's future borrows its arguments, which a bound
/// cannot say otherwise.
pub trait NodeFn<'a, S: State>: Send + Sync + 'static {
    /// What it returns.
    type Running: Future<Output = Result<Move<S>, Stop>> + Send + 'a;

    /// Calls it.
    fn call(&self, state: &'a S, cx: &'a mut Cx) -> Self::Running;
}

impl<'a, S, F, Running> NodeFn<'a, S> for F
where
    S: State,
    F: Fn(&'a S, &'a mut Cx) -> Running + Send + Sync + 'static,
    Running: Future<Output = Result<Move<S>, Stop>> + Send + 'a,
{
    type Running = Running;

    fn call(&self, state: &'a S, cx: &'a mut Cx) -> Running {
        self(state, cx)
    }
}

/// A function as a node.
pub(super) struct Function<F>(pub F);

#[async_trait]
impl<S, F> Node<S> for Function<F>
where
    S: State,
    F: for<'a> NodeFn<'a, S>,
{
    async fn run(&self, state: &S, cx: &mut Cx) -> Result<Move<S>, Stop> {
        self.0.call(state, cx).await
    }
}
