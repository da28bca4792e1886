//! Contract calls from human words: signatures like `transfer(address,uint256)` with arguments as text.
//!
//! For the command line and tools, not for the hot path. Encoding and decoding are alloy's.

use alloy_dyn_abi::{DynSolType, DynSolValue, EventExt, FunctionExt, JsonAbiExt, Specifier};
use alloy_json_abi::{Event, Function, Param};
use alloy_primitives::{B256, hex};
use serde_json::{Map, Value, json};

/// Longest text of one signature or argument, in bytes.
pub const TEXT_BYTES_MAX: usize = 4 << 20;

/// Why words could not become a call, or bytes could not become words.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AbiError {
    #[error("{0:?} is not a signature: {1}")]
    Signature(String, String),
    #[error("{signature} takes {expected} arguments, {given} were given")]
    Count { signature: String, expected: usize, given: usize },
    #[error("argument {position} of {signature} is not a {kind}: {cause}")]
    Argument { signature: String, position: usize, kind: String, cause: String },
    #[error("the bytes do not decode as {0}: {1}")]
    Data(String, String),
}

/// Selector and arguments of a call.
pub fn encode_call(signature: &str, arguments: &[String]) -> Result<Vec<u8>, AbiError> {
    let function = parse_function(signature)?;
    let values = coerce(&function.signature(), &function.inputs, arguments)?;
    function.abi_encode_input(&values).map_err(|error| signature_error(signature, error))
}

/// Arguments alone, as they follow a contract's creation code: `(string,uint256)`.
pub fn encode_arguments(types: &str, arguments: &[String]) -> Result<Vec<u8>, AbiError> {
    let function = parse_function(&format!("constructor{types}"))?;
    let values = coerce(types, &function.inputs, arguments)?;
    function.abi_encode_input_raw(&values).map_err(|error| signature_error(types, error))
}

/// What a call returned, by the outputs in its signature: `balanceOf(address)(uint256)`.
pub fn decode_output(signature: &str, data: &[u8]) -> Result<Value, AbiError> {
    let function = parse_function(signature)?;
    let values = function.abi_decode_output(data).map_err(|error| data_error(signature, error))?;
    Ok(Value::Array(values.iter().map(to_json).collect()))
}

/// The arguments of a call, by its signature; `data` includes the selector.
pub fn decode_call(signature: &str, data: &[u8]) -> Result<Value, AbiError> {
    let function = parse_function(signature)?;
    let arguments = data
        .strip_prefix(function.selector().as_slice())
        .ok_or_else(|| data_error(signature, "another selector"))?;
    let values = function.abi_decode_input(arguments).map_err(|error| data_error(signature, error))?;
    Ok(Value::Array(values.iter().map(to_json).collect()))
}

/// The named parameters of a log, by the event's signature: `Transfer(address indexed from, address indexed to, …)`.
pub fn decode_log(signature: &str, topics: &[B256], data: &[u8]) -> Result<Value, AbiError> {
    check_length(signature)?;
    let event = Event::parse(signature).map_err(|error| signature_error(signature, error))?;
    let decoded =
        event.decode_log_parts(topics.iter().copied(), data).map_err(|error| data_error(signature, error))?;
    let (mut indexed, mut body) = (decoded.indexed.iter(), decoded.body.iter());
    let mut fields = Map::new();
    for (position, input) in event.inputs.iter().enumerate() {
        let name = if input.name.is_empty() { position.to_string() } else { input.name.clone() };
        let value = if input.indexed { indexed.next() } else { body.next() };
        fields.insert(name, value.map_or(Value::Null, to_json));
    }
    Ok(Value::Object(fields))
}

/// The first topic of an event's logs.
pub fn event_topic(signature: &str) -> Result<B256, AbiError> {
    check_length(signature)?;
    Event::parse(signature).map(|event| event.selector()).map_err(|error| signature_error(signature, error))
}

fn parse_function(signature: &str) -> Result<Function, AbiError> {
    check_length(signature)?;
    Function::parse(signature).map_err(|error| signature_error(signature, error))
}

fn check_length(text: &str) -> Result<(), AbiError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(AbiError::Signature("…".into(), "too long".into()));
    }
    Ok(())
}

fn coerce(signature: &str, inputs: &[Param], arguments: &[String]) -> Result<Vec<DynSolValue>, AbiError> {
    if inputs.len() != arguments.len() {
        return Err(AbiError::Count {
            signature: signature.into(),
            expected: inputs.len(),
            given: arguments.len(),
        });
    }
    let mut values = Vec::with_capacity(inputs.len());
    for (position, (input, text)) in inputs.iter().zip(arguments).enumerate() {
        check_length(text)?;
        let kind: DynSolType = input.resolve().map_err(|error| signature_error(signature, error))?;
        values.push(kind.coerce_str(text).map_err(|error| AbiError::Argument {
            signature: signature.into(),
            position: position + 1,
            kind: kind.sol_type_name().into_owned(),
            cause: error.to_string(),
        })?);
    }
    Ok(values)
}

/// Numbers become decimal text (JSON's own lose digits), bytes become hex.
fn to_json(value: &DynSolValue) -> Value {
    match value {
        DynSolValue::Bool(flag) => json!(flag),
        DynSolValue::Int(number, _) => json!(number.to_string()),
        DynSolValue::Uint(number, _) => json!(number.to_string()),
        DynSolValue::FixedBytes(word, size) => json!(hex::encode_prefixed(&word[..*size])),
        DynSolValue::Address(address) => json!(address.to_checksum(None)),
        DynSolValue::Function(function) => json!(hex::encode_prefixed(function.as_slice())),
        DynSolValue::Bytes(bytes) => json!(hex::encode_prefixed(bytes)),
        DynSolValue::String(text) => json!(text),
        DynSolValue::Array(items) | DynSolValue::FixedArray(items) | DynSolValue::Tuple(items) => {
            Value::Array(items.iter().map(to_json).collect())
        }
        DynSolValue::CustomStruct { tuple, .. } => Value::Array(tuple.iter().map(to_json).collect()),
    }
}

fn signature_error(signature: &str, cause: impl std::fmt::Display) -> AbiError {
    AbiError::Signature(signature.into(), cause.to_string())
}

fn data_error(signature: &str, cause: impl std::fmt::Display) -> AbiError {
    AbiError::Data(signature.into(), cause.to_string())
}
