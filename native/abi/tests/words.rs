//! Examples with the encodings that the ABI specification and deployed contracts show.

use alloy_primitives::{B256, hex};
use hansa_abi::{
    AbiError, decode_call, decode_log, decode_output, encode_arguments, encode_call, event_topic,
};

fn words(items: &[&str]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// "Contract ABI Specification", section Examples: baz(uint32,bool) with 69 and true.
#[test]
fn a_call_encodes_as_the_specification_shows() {
    let data = encode_call("baz(uint32,bool)", &words(&["69", "true"])).expect("encodes");
    let expected = "cdcd77c0\
        0000000000000000000000000000000000000000000000000000000000000045\
        0000000000000000000000000000000000000000000000000000000000000001";
    assert_eq!(hex::encode(&data), expected);
    assert_eq!(decode_call("baz(uint32,bool)", &data).expect("decodes"), serde_json::json!(["69", true]));
}

#[test]
fn dynamic_arguments_and_arrays() {
    let data = encode_call(
        "f(uint256,uint32[],bytes10,bytes)",
        &words(&["0x123", "[1110, 1929]", "0x31323334353637383930", "0x48656c6c6f2c20776f726c6421"]),
    )
    .expect("encodes");
    assert_eq!(&hex::encode(&data)[..8], "8be65246");
    assert_eq!(data.len(), 4 + 9 * 32);
    assert_eq!(encode_arguments("(string)", &words(&["hi"])).expect("encodes").len(), 96);
    assert!(encode_arguments("()", &[]).expect("encodes").is_empty());
}

#[test]
fn outputs_and_logs_decode_to_text() {
    let word = B256::with_last_byte(7);
    let output = decode_output("balanceOf(address)(uint256)", word.as_slice()).expect("decodes");
    assert_eq!(output, serde_json::json!(["7"]));
    let event = "Transfer(address indexed from, address indexed to, uint256 value)";
    let topics = [event_topic(event).expect("parses"), B256::ZERO, B256::with_last_byte(1)];
    assert_eq!(hex::encode(topics[0]), "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
    let fields = decode_log(event, &topics, word.as_slice()).expect("decodes");
    assert_eq!(fields["to"], "0x0000000000000000000000000000000000000001");
    assert_eq!(fields["value"], "7");
}

#[test]
fn mistakes_say_what_is_wrong() {
    let count = encode_call("f(uint256)", &[]).expect_err("count");
    assert!(matches!(count, AbiError::Count { expected: 1, given: 0, .. }));
    let argument = encode_call("f(uint8)", &words(&["256"])).expect_err("range");
    assert!(matches!(argument, AbiError::Argument { position: 1, .. }));
    assert!(matches!(encode_call("f(", &[]), Err(AbiError::Signature(..))));
    assert!(matches!(encode_call("f(uinf)", &words(&["1"])), Err(AbiError::Signature(..))));
    assert!(matches!(decode_output("f()(uint256)", &[1, 2, 3]), Err(AbiError::Data(..))));
    assert!(matches!(decode_call("f()", &[1, 2, 3]), Err(AbiError::Data(..))));
}
