//! Bodies are taken apart within bounds, and everything malformed is told apart.
#![allow(clippy::unwrap_used)]

use hansa_rpc::error::RpcError;
use hansa_rpc::request::{BATCH_ITEMS_MAX, BODY_BYTES_MAX, Body, Params};
use serde_json::value::RawValue;

fn code_of(body: &str) -> i64 {
    match Body::parse(body.as_bytes()) {
        Err(error) => error.code,
        Ok(Body::One(element)) => element.request.map_or_else(|error| error.code, |_| 0),
        Ok(Body::Batch(_)) => panic!("a batch"),
    }
}

#[test]
fn a_request_is_read() {
    let body = br#" {"jsonrpc":"2.0","id":7,"method":"eth_chainId","params":[]} "#;
    let Body::One(element) = Body::parse(body).unwrap() else { panic!("not one") };
    let request = element.request.unwrap();
    assert_eq!((request.id, request.method.as_ref()), (Some("7"), "eth_chainId"));
}

#[test]
fn malformed_bodies_have_their_codes() {
    assert_eq!(code_of(""), -32700);
    assert_eq!(code_of("{"), -32700);
    assert_eq!(code_of("{} x"), -32700);
    assert_eq!(code_of("7"), -32600);
    assert_eq!(code_of("{}"), -32600);
    assert_eq!(code_of("[]"), -32600);
    assert_eq!(code_of(r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#), -32600);
    assert_eq!(code_of(r#"{"jsonrpc":"2.0","id":1}"#), -32600);
    assert_eq!(code_of(r#"{"jsonrpc":"2.0","id":{},"method":"a"}"#), -32600);
    assert_eq!(code_of(r#"{"jsonrpc":"2.0","id":true,"method":"a"}"#), -32600);
    assert_eq!(code_of(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "a".repeat(129))), -32600);
    assert!(Body::parse(&[0xff, 0xfe]).is_err());
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{}}}"#, "[".repeat(1_000_000));
    assert_eq!(code_of(&deep), -32700);
}

#[test]
fn null_ids_are_answered_and_absent_ones_are_not() {
    let Body::One(null) = Body::parse(br#"{"jsonrpc":"2.0","id":null,"method":"a"}"#).unwrap() else {
        panic!()
    };
    let Body::One(absent) = Body::parse(br#"{"jsonrpc":"2.0","method":"a"}"#).unwrap() else { panic!() };
    assert!(!null.is_notification());
    assert!(absent.is_notification());
}

#[test]
fn bodies_and_batches_are_bounded() {
    assert_eq!(Body::parse(&vec![b' '; BODY_BYTES_MAX + 1]).err().unwrap().code, -32005);
    let batch = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    assert_eq!(Body::parse(batch(BATCH_ITEMS_MAX + 1).as_bytes()).err().unwrap().code, -32005);
    assert_eq!(Body::parse(batch(BATCH_ITEMS_MAX).as_bytes()).unwrap().elements().len(), BATCH_ITEMS_MAX);
}

#[test]
fn parameters_come_by_place_or_name() {
    const NAMES: &[&str] = &["Address", "Block"];
    let read = |text: &str| {
        let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
        let params = Params::parse(Some(&raw), NAMES)?;
        Ok::<_, RpcError>((params.optional::<String>(0)?, params.optional::<String>(1)?))
    };
    let both = Ok((Some("a".to_owned()), Some("b".to_owned())));
    assert_eq!(read(r#"["a","b"]"#).map_err(|e| e.code), both);
    assert_eq!(read(r#"{"block":"b","address":"a"}"#).map_err(|e| e.code), both);
    assert_eq!(read(r#"["a",null]"#).map_err(|e| e.code), Ok((Some("a".to_owned()), None)));
    assert_eq!(read(r#"["a","b","c"]"#).map_err(|e| e.code), Err(-32602));
    assert_eq!(read(r#"{"blok":"b"}"#).map_err(|e| e.code), Err(-32602));
    assert_eq!(read("[7]").map_err(|e| e.code), Err(-32602));
    assert_eq!(read("7").map_err(|e| e.code), Err(-32602));
}
