//! JSON-RPC 2.0 requests: bounded, borrowed parsing of one body into its elements, and of parameters by place or name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::RpcError;

/// Largest body read, in bytes.
pub const BODY_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Most elements of one batch.
pub const BATCH_ITEMS_MAX: usize = 1_000;
/// Most positional or named parameters of one request.
pub const PARAMS_MAX: usize = 16;
/// Longest method name looked at, in bytes.
const METHOD_BYTES_MAX: usize = 128;

/// A body taken apart: one request, or a batch of them in order.
pub enum Body<'a> {
    /// One request object.
    One(Element<'a>),
    /// An array of 1 to [`BATCH_ITEMS_MAX`] elements.
    Batch(Vec<Element<'a>>),
}

/// One element of a body: its text, and the request or why it is none.
pub struct Element<'a> {
    /// The JSON text, as it came.
    pub text: &'a str,
    /// The request it states.
    pub request: Result<Request<'a>, RpcError>,
}

/// One well-formed request.
pub struct Request<'a> {
    /// Raw JSON of the id; `None` marks a notification, which is never answered.
    pub id: Option<&'a str>,
    /// Method name.
    pub method: Cow<'a, str>,
    /// Raw JSON of the parameters, an array or an object.
    pub params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

/// Keeps `"id": null` apart from an absent id: only the latter is a notification.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(input: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(input).map(Some)
}

impl<'a> Body<'a> {
    /// Takes a body apart. Elements that are no requests stay in it with their error.
    pub fn parse(body: &'a [u8]) -> Result<Self, RpcError> {
        if body.len() > BODY_BYTES_MAX {
            let message = format!("the body has {} bytes", body.len());
            return Err(RpcError::limit(message, format!("send at most {BODY_BYTES_MAX} bytes at once")));
        }
        let whole: &RawValue =
            serde_json::from_slice(body).map_err(|error| RpcError::parse(error.to_string()))?;
        if !whole.get().starts_with('[') {
            return Ok(Self::One(Element::parse(whole.get())));
        }
        let items: Vec<&RawValue> =
            serde_json::from_str(whole.get()).map_err(|error| RpcError::parse(error.to_string()))?;
        if items.is_empty() {
            return Err(RpcError::invalid_request("the batch is empty"));
        }
        if items.len() > BATCH_ITEMS_MAX {
            let message = format!("the batch has {} requests", items.len());
            return Err(RpcError::limit(
                message,
                format!("send at most {BATCH_ITEMS_MAX} requests in one batch"),
            ));
        }
        Ok(Self::Batch(items.into_iter().map(|item| Element::parse(item.get())).collect()))
    }

    /// The elements in order.
    pub fn elements(&self) -> &[Element<'a>] {
        match self {
            Self::One(element) => std::slice::from_ref(element),
            Self::Batch(elements) => elements,
        }
    }
}

impl<'a> Element<'a> {
    fn parse(text: &'a str) -> Self {
        Self { text, request: Request::parse(text) }
    }

    /// Raw JSON of the id to answer under; `null` where the element states none it could be told from.
    pub fn answer_id(&self) -> &'a str {
        match &self.request {
            Ok(request) => request.id.unwrap_or("null"),
            Err(_) => "null",
        }
    }

    /// Whether nothing is to be answered.
    pub fn is_notification(&self) -> bool {
        matches!(&self.request, Ok(request) if request.id.is_none())
    }
}

impl<'a> Request<'a> {
    fn parse(text: &'a str) -> Result<Self, RpcError> {
        let wire: Wire<'a> =
            serde_json::from_str(text).map_err(|error| RpcError::invalid_request(error.to_string()))?;
        if wire.jsonrpc.as_deref() != Some("2.0") {
            return Err(RpcError::invalid_request("jsonrpc is not \"2.0\""));
        }
        let method = wire.method.ok_or_else(|| RpcError::invalid_request("method is missing"))?;
        if method.len() > METHOD_BYTES_MAX {
            return Err(RpcError::invalid_request("the method name is too long"));
        }
        let id = wire.id.map(RawValue::get);
        if id.is_some_and(|id| {
            !(id == "null" || id.starts_with(['"', '-']) || id.as_bytes()[0].is_ascii_digit())
        }) {
            return Err(RpcError::invalid_request("id is neither a string, a number nor null"));
        }
        Ok(Self { id, method, params: wire.params })
    }
}

/// The parameters of one request, in the order of the method table.
pub struct Params<'a> {
    names: &'static [&'static str],
    values: Vec<Option<&'a RawValue>>,
}

impl<'a> Params<'a> {
    /// Reads an array or an object. `names` are the method's parameters in order; JSON `null` counts as absent.
    pub fn parse(raw: Option<&'a RawValue>, names: &'static [&'static str]) -> Result<Self, RpcError> {
        let Some(raw) = raw else { return Ok(Self { names, values: Vec::new() }) };
        let values = match raw.get().as_bytes().first() {
            Some(b'[') => positional(raw, names)?,
            Some(b'{') => named(raw, names)?,
            _ => return Err(RpcError::invalid_params("params is neither an array nor an object")),
        };
        Ok(Self { names, values })
    }

    /// The raw JSON of a parameter, if it was given.
    pub fn raw(&self, index: usize) -> Option<&'a RawValue> {
        self.values.get(index).copied().flatten().filter(|value| value.get() != "null")
    }

    /// A parameter that must be there.
    pub fn required<T: DeserializeOwned>(&self, index: usize) -> Result<T, RpcError> {
        match self.optional(index)? {
            Some(value) => Ok(value),
            None => Err(RpcError::invalid_params(format!(
                "missing value for required argument {}",
                self.label(index)
            ))),
        }
    }

    /// A parameter that may be absent or null.
    pub fn optional<T: DeserializeOwned>(&self, index: usize) -> Result<Option<T>, RpcError> {
        let Some(raw) = self.raw(index) else { return Ok(None) };
        serde_json::from_str(raw.get()).map(Some).map_err(|error| {
            RpcError::invalid_params(format!("invalid argument {}: {error}", self.label(index)))
        })
    }

    fn label(&self, index: usize) -> String {
        self.names.get(index).map_or_else(|| index.to_string(), |name| format!("{index} ({name})"))
    }
}

fn positional<'a>(raw: &'a RawValue, names: &[&str]) -> Result<Vec<Option<&'a RawValue>>, RpcError> {
    let items: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|error| RpcError::invalid_params(error.to_string()))?;
    if items.len() > names.len().min(PARAMS_MAX) {
        return Err(RpcError::invalid_params(format!("too many arguments, want at most {}", names.len())));
    }
    Ok(items.into_iter().map(Some).collect())
}

fn named<'a>(raw: &'a RawValue, names: &[&str]) -> Result<Vec<Option<&'a RawValue>>, RpcError> {
    let items: BTreeMap<String, &RawValue> =
        serde_json::from_str(raw.get()).map_err(|error| RpcError::invalid_params(error.to_string()))?;
    let mut values = vec![None; names.len()];
    for (key, value) in items {
        let place = names.iter().position(|name| name.eq_ignore_ascii_case(&key));
        let Some(place) = place else {
            let shown: String = key.chars().take(64).collect();
            let known = names.join(", ");
            return Err(RpcError::invalid_params(format!(
                "unknown argument {shown}; this method takes: {known}"
            )));
        };
        values[place] = Some(value);
    }
    Ok(values)
}
