use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::Value;

use super::ENVIRONMENT;
use super::shape::Shape;
use crate::model::Time;

/// What an expression's variables are. A clone shares the values, so it is cheap to go on from one for each step of a plan.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, Arc<Bound>>);

/// A value, and how large it is.
struct Bound {
    value: Box<dyn Val>,
    shape: Arc<Shape>,
}

impl Variables {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a variable its value, in place of one that it had. Whole numbers become `int`, those beyond its 64 bits and all
    /// others `double`; text stays text, times in it included (`timestamp(commit.time)` reads RFC 3339).
    pub fn set(&mut self, name: &str, value: &Value) {
        self.bind(name, converted(value), Shape::of(value));
    }

    /// Gives a variable a moment as its value: a CEL `timestamp`.
    pub fn set_time(&mut self, name: &str, time: Time) {
        self.bind(name, timestamp(time), Shape::text(0));
    }

    /// Returns the names that have a value.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn shape(&self, name: &str) -> Option<&Arc<Shape>> {
        self.0.get(name).map(|bound| &bound.shape)
    }

    fn bind(&mut self, name: &str, value: Box<dyn Val>, shape: Shape) {
        self.0.insert(name.to_owned(), Arc::new(Bound { value, shape: Arc::new(shape) }));
    }
}

impl VariableResolver for Variables {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        self.0.get(variable).map(|bound| CowVal::Borrowed(bound.value.as_ref()))
    }
}

fn converted(value: &Value) -> Box<dyn Val> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(bool) => Box::new(CelBool::from(*bool)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Box::new(CelInt::from(integer)),
            (None, Some(float)) => Box::new(CelDouble::from(float)),
            (None, None) => Box::new(CelNull),
        },
        Value::String(text) => Box::new(CelString::from(text.clone())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(converted).collect::<Vec<_>>())),
        Value::Object(fields) => {
            let entry = |(key, value): (&String, &Value)| (CelMapKey::from(key.clone()), converted(value));
            Box::new(CelMap::from(fields.iter().map(entry).collect::<HashMap<_, _>>()))
        }
    }
}

/// Makes a timestamp as an expression would: the crate that holds it is no dependency of ours.
fn timestamp(time: Time) -> Box<dyn Val> {
    // The years 1 to 9999, which is what CEL knows.
    let within = time.0.clamp(-62_135_596_800_000_000, 253_402_207_200_000_000);
    let text = jiff::Timestamp::from_microsecond(within).map(|moment| moment.to_string()).unwrap_or_default();
    let arguments = vec![CowVal::owned(CelString::from(text))];
    let made = ENVIRONMENT.find_overload("timestamp", &arguments).and_then(|make| make(arguments).ok());
    made.map_or_else(|| Box::new(CelNull) as Box<dyn Val>, CowVal::into_owned)
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
