//! Parameters of one request, positional or named, each read with an error that names it.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use crate::error::RpcError;
use crate::request::PARAMS_MAX;

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
