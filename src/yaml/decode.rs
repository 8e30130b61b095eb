//! [`Node`] → a type: the schema finds every mistake at once, serde then has the last word.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::value::{Error, MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::{Node, Value, check, mistake};
use crate::model::{Mistake, Place};

/// Turns a node into `T`. Where it is not a `T`, returns every mistake that the schema of `T` shows.
pub fn decode<T: DeserializeOwned + JsonSchema>(file: &str, node: &Node) -> Result<T, Vec<Mistake>> {
    let file: Arc<str> = file.into();
    let mistakes = check::check(&file, &schema_of::<T>(), node);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let last = Cell::new((node.line, node.column));
    T::deserialize(Reader { node, last: &last }).map_err(|error| {
        let (line, column) = last.get();
        vec![mistake("schema.value", Place { file, line, column }, super::text::escaped(&error.to_string()), None)]
    })
}

thread_local! {
    // A render decodes thousands of documents of a handful of types.
    static SCHEMAS: RefCell<HashMap<String, Rc<serde_json::Value>>> = RefCell::new(HashMap::new());
}

fn schema_of<T: JsonSchema>() -> Rc<serde_json::Value> {
    let id = T::schema_id().into_owned();
    if let Some(schema) = SCHEMAS.with_borrow(|schemas| schemas.get(&id).cloned()) {
        return schema;
    }
    let schema = Rc::new(schemars::SchemaGenerator::default().into_root_schema_for::<T>().to_value());
    SCHEMAS.with_borrow_mut(|schemas| schemas.insert(id, Rc::clone(&schema)));
    schema
}

/// A deserializer that remembers where it was, for the mistakes that only serde finds.
#[derive(Clone, Copy)]
struct Reader<'a> {
    node: &'a Node,
    last: &'a Cell<(u32, u32)>,
}

impl<'a> Reader<'a> {
    fn entered(self) -> &'a Value {
        self.last.set((self.node.line, self.node.column));
        &self.node.value
    }

    fn at(self, node: &'a Node) -> Self {
        Self { node, last: self.last }
    }
}

impl<'de> IntoDeserializer<'de> for Reader<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.entered() {
            Value::Null => visitor.visit_unit(),
            Value::Bool(bool) => visitor.visit_bool(*bool),
            Value::Integer(integer) => match (u64::try_from(*integer), i64::try_from(*integer)) {
                (Ok(integer), _) => visitor.visit_u64(integer),
                (_, Ok(integer)) => visitor.visit_i64(integer),
                _ => visitor.visit_i128(*integer),
            },
            Value::Float(float) => visitor.visit_f64(*float),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Sequence(items) => {
                let mut access = SeqDeserializer::new(items.iter().map(|node| self.at(node)));
                let value = visitor.visit_seq(&mut access)?;
                access.end()?;
                Ok(value)
            }
            Value::Mapping(entries) => {
                let pairs = entries.iter().map(|(key, node)| (key.text.as_str(), self.at(node)));
                let mut access = MapDeserializer::new(pairs);
                let value = visitor.visit_map(&mut access)?;
                access.end()?;
                Ok(value)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.entered() {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.entered() {
            Value::String(word) => visitor.visit_enum(Choice { word, content: None }),
            Value::Mapping(entries) => match entries.as_slice() {
                [(key, node)] => visitor.visit_enum(Choice { word: &key.text, content: Some(self.at(node)) }),
                _ => Err(de::Error::custom("expected exactly one field here")),
            },
            _ => Err(de::Error::custom("expected a word, or a mapping with one field")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Choice<'a> {
    word: &'a str,
    content: Option<Reader<'a>>,
}

impl<'de> de::EnumAccess<'de> for Choice<'de> {
    type Error = Error;
    type Variant = Content<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'de>), Error> {
        let word: StrDeserializer<'_, Error> = self.word.into_deserializer();
        Ok((seed.deserialize(word)?, Content(self.content)))
    }
}

struct Content<'a>(Option<Reader<'a>>);

impl<'a> Content<'a> {
    fn some(self) -> Result<Reader<'a>, Error> {
        self.0.ok_or_else(|| de::Error::custom("expected a value for this choice"))
    }
}

impl<'de> de::VariantAccess<'de> for Content<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.0.map(Reader::entered) {
            None | Some(Value::Null) => Ok(()),
            Some(_) => Err(de::Error::custom("expected no value for this choice")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.some()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.some()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.some()?.deserialize_any(visitor)
    }
}
