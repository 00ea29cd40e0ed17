//! A plain asynchronous function with typed arguments as a tool.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zupa_core::{
    Effect, EffectClass, Error, Probe, Result, Tool, ToolContext, ToolOutput, ToolSpec,
};

/// A tool from an `async fn(Arguments, ToolContext) -> Result<ToolOutput>`.
///
/// The schema that the model sees comes from the type, and arguments are held to it before
/// anything else happens with a call: ranges and patterns that `schemars` writes count, and
/// members that the type does not name are refused if it says
/// `#[serde(deny_unknown_fields)]`. What does not fit is sent back to the model. Of class [`EffectClass::Reconcile`] needs
/// [`ToolFn::probed_by`].
pub fn tool<A, F, Calling>(
    name: impl Into<String>,
    description: impl Into<String>,
    effect: Effect,
    function: F,
) -> ToolFn<A>
where
    A: DeserializeOwned + JsonSchema + Send + 'static,
    F: Fn(A, ToolContext) -> Calling + Send + Sync + 'static,
    Calling: Future<Output = Result<ToolOutput>> + Send + 'static,
{
    ToolFn {
        spec: ToolSpec {
            name: name.into(),
            description: description.into(),
            parameters: schema_of::<A>(),
        },
        effect,
        function: Box::new(move |arguments, cx| Box::pin(function(arguments, cx))),
        probe: None,
        arguments: PhantomData,
    }
}

type Calling<T> = std::pin::Pin<Box<dyn Future<Output = Result<T>> + Send>>;
type Function<A, T> = Box<dyn Fn(A, ToolContext) -> Calling<T> + Send + Sync>;

/// A function as a tool. See [`tool`].
pub struct ToolFn<A> {
    spec: ToolSpec,
    effect: Effect,
    function: Function<A, ToolOutput>,
    probe: Option<Function<A, Probe>>,
    arguments: PhantomData<fn(A)>,
}

impl<A: DeserializeOwned + Send + 'static> ToolFn<A> {
    /// Asks this function what became of a call whose answer was lost.
    pub fn probed_by<F, Probing>(mut self, probe: F) -> Self
    where
        F: Fn(A, ToolContext) -> Probing + Send + Sync + 'static,
        Probing: Future<Output = Result<Probe>> + Send + 'static,
    {
        self.probe = Some(Box::new(move |arguments, cx| {
            Box::pin(probe(arguments, cx))
        }));
        self
    }

    /// As the port.
    pub fn into_tool(self) -> Arc<dyn Tool> {
        Arc::new(self)
    }

    fn typed(&self, arguments: Value) -> Result<A> {
        serde_json::from_value(arguments).map_err(|source| {
            // For the model, and for nobody's log: it may repeat what was in them.
            Error::invalid(format!("the arguments do not fit: {source}"))
                .with("tool", &self.spec.name)
        })
    }
}

#[async_trait]
impl<A: DeserializeOwned + Send + 'static> Tool for ToolFn<A> {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    async fn call(&self, arguments: Value, cx: ToolContext) -> Result<ToolOutput> {
        let arguments = self.typed(arguments)?;
        (self.function)(arguments, cx).await
    }

    async fn probe(&self, arguments: Value, cx: ToolContext) -> Result<Probe> {
        match &self.probe {
            Some(probe) => {
                let arguments = self.typed(arguments)?;
                probe(arguments, cx).await
            }
            None => Ok(Probe::Unknown),
        }
    }
}

impl<A> fmt::Debug for ToolFn<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class: EffectClass = self.effect.class;
        write!(f, "ToolFn({}, {})", self.spec.name, class.as_str())
    }
}

/// The JSON Schema of a type, as providers want it: whole, without references.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    if let Some(members) = schema.as_object_mut() {
        members.remove("title");
        members.remove("$schema");
    }
    schema
}
