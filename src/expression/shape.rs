//! How large a value can be: all that the cost of an expression depends on.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// A step of work goes through this many bytes of text.
pub(super) const BYTES: u64 = 64;
/// Maps with more keys than this are told by their keys together.
const MOST_FIELDS: usize = 64;

/// An upper bound of one value, or of each of several that may stand in one place: they may be of several kinds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shape {
    /// The longest text, in bytes.
    pub text: u64,
    pub list: Option<List>,
    pub map: Option<Map>,
    /// What it costs to go through all of it once.
    pub weight: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct List {
    pub length: u64,
    pub item: Arc<Shape>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Map {
    pub length: u64,
    /// The longest key, in bytes.
    pub key: u64,
    /// By their keys; `None` where there are too many, or they are not known.
    pub fields: Option<BTreeMap<String, Arc<Shape>>>,
    /// All of its values.
    pub any: Arc<Shape>,
}

impl Shape {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::text(0),
            Value::String(text) => Self::text(text.len() as u64),
            Value::Array(items) => {
                let item = items.iter().fold(Self::default(), |item, value| item.or(&Self::of(value)));
                Self::list(items.len() as u64, Arc::new(item))
            }
            Value::Object(fields) => {
                let shapes: Vec<_> = fields.iter().map(|(key, value)| (key, Arc::new(Self::of(value)))).collect();
                let any = shapes.iter().fold(Self::default(), |any, (_, shape)| any.or(shape));
                let few = shapes.len() <= MOST_FIELDS;
                Self::map(Map {
                    length: fields.len() as u64,
                    key: fields.keys().map(String::len).max().unwrap_or(0) as u64,
                    fields: few.then(|| shapes.into_iter().map(|(key, shape)| (key.clone(), shape)).collect()),
                    any: Arc::new(any),
                })
            }
        }
    }

    /// Returns the shape of text, and of what is smaller than text.
    pub(super) fn text(bytes: u64) -> Self {
        Self { text: bytes, ..Self::default() }.weighed()
    }

    pub(super) fn list(length: u64, item: Arc<Self>) -> Self {
        Self { list: Some(List { length, item }), ..Self::default() }.weighed()
    }

    pub(super) fn map(map: Map) -> Self {
        Self { map: Some(map), ..Self::default() }.weighed()
    }

    /// Returns the shape of what may be either.
    pub(super) fn or(&self, other: &Self) -> Self {
        let list = match (&self.list, &other.list) {
            (Some(one), Some(two)) => {
                Some(List { length: one.length.max(two.length), item: Arc::new(one.item.or(&two.item)) })
            }
            (one, two) => one.as_ref().or(two.as_ref()).cloned(),
        };
        let map = match (&self.map, &other.map) {
            (Some(one), Some(two)) => Some(one.or(two)),
            (one, two) => one.as_ref().or(two.as_ref()).cloned(),
        };
        Self { text: self.text.max(other.text), list, map, weight: 0 }.weighed()
    }

    /// Returns the shape of what is inside, whatever its place.
    pub(super) fn inside(&self) -> Self {
        let item = self.list.as_ref().map(|list| &list.item);
        let any = self.map.as_ref().map(|map| &map.any);
        item.into_iter().chain(any).fold(Self::text(0), |shape, part| shape.or(part))
    }

    pub(super) fn field(&self, name: &str) -> Arc<Self> {
        let absent = || Arc::new(Self::text(0));
        let Some(map) = &self.map else { return absent() };
        match &map.fields {
            Some(fields) => fields.get(name).cloned().unwrap_or_else(absent),
            None => Arc::clone(&map.any),
        }
    }

    /// Returns how many times a loop over it runs, and the shape of what it runs over.
    pub(super) fn elements(&self) -> (u64, Self) {
        let (items, item) = self.list.as_ref().map_or((0, Self::text(0)), |list| (list.length, (*list.item).clone()));
        let (keys, key) = self.map.as_ref().map_or((0, 0), |map| (map.length, map.key));
        (items.max(keys), item.or(&Self::text(key)))
    }

    fn weighed(mut self) -> Self {
        let list = self.list.as_ref().map_or(0, |list| list.length.saturating_mul(list.item.weight));
        let map = self.map.as_ref().map_or(0, |map| {
            let keys = map.length.saturating_mul(1 + map.key / BYTES);
            let values = match &map.fields {
                Some(fields) => fields.values().fold(0_u64, |sum, field| sum.saturating_add(field.weight)),
                None => map.length.saturating_mul(map.any.weight),
            };
            keys.saturating_add(values)
        });
        self.weight = (1 + self.text / BYTES).saturating_add(list).saturating_add(map);
        self
    }
}

impl Map {
    fn or(&self, other: &Self) -> Self {
        let fields = self.fields.as_ref().zip(other.fields.as_ref()).map(|(one, two)| {
            let mut fields = one.clone();
            for (key, shape) in two {
                let merged = fields.get(key).map_or_else(|| Arc::clone(shape), |known| Arc::new(known.or(shape)));
                fields.insert(key.clone(), merged);
            }
            fields
        });
        Self {
            length: self.length.max(other.length),
            key: self.key.max(other.key),
            fields: fields.filter(|fields| fields.len() <= MOST_FIELDS),
            any: Arc::new(self.any.or(&other.any)),
        }
    }
}
