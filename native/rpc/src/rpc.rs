//! The front: one call takes a body and returns its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, Bytes};
use hansa_chain::Chain;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::{ANSWER_BYTES_MAX, Answer, write_answer};
use crate::error::RpcError;
use crate::methods::{METHODS, Method, find_method, nearest_method};
use crate::pool::{raw_of, sent};
use crate::request::Params;
use crate::request::{Body, Element};

/// Longest work on the bodies of one call; what comes after gets an error instead.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

const SEND: &str = "eth_sendRawTransaction";

/// What an operator may set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcOptions {
    /// Answer of web3_clientVersion.
    pub client_version: String,
    /// Namespaces answered, as in "eth".
    pub namespaces: Vec<String>,
    /// This node's own account.
    pub coinbase: Address,
    /// Most blocks of one eth_getLogs.
    pub logs_blocks_max: u64,
    /// Most logs of one answer.
    pub logs_results_max: usize,
    /// Most gas of one eth_call or estimate.
    pub call_gas_max: u64,
}

impl Default for RpcOptions {
    fn default() -> Self {
        Self {
            client_version: concat!("hansa/v", env!("CARGO_PKG_VERSION")).to_owned(),
            namespaces: ["eth", "net", "web3", "txpool", "debug", "hansa", "rpc"].map(str::to_owned).to_vec(),
            coinbase: Address::ZERO,
            logs_blocks_max: 10_000,
            logs_results_max: 20_000,
            call_gas_max: 50_000_000,
        }
    }
}

impl RpcOptions {
    /// Reads options from a JSON object; what is not given keeps its default.
    ///
    /// # Errors
    /// Invalid parameters, naming the field.
    pub fn from_json(text: &str) -> Result<Self, RpcError> {
        serde_json::from_str(text).map_err(|error| RpcError::invalid_params(format!("rpc options: {error}")))
    }
}

/// Answers JSON-RPC from a chain. Shared between threads; every call may run on any of them.
pub struct Rpc {
    pub(crate) chain: Arc<Chain>,
    pub(crate) options: RpcOptions,
}

/// One element of a body that the core cannot answer whole.
#[derive(Debug)]
pub struct Part {
    /// The request's JSON text.
    pub request: Vec<u8>,
    /// The answer's JSON text; empty for a notification; `None` where Python must answer.
    pub answer: Option<Vec<u8>>,
}

impl Rpc {
    /// A front for `chain`.
    pub fn new(chain: Arc<Chain>, options: RpcOptions) -> Self {
        Self { chain, options }
    }

    /// The methods answered here with their parameters, in the order of the table.
    pub fn methods() -> &'static [Method] {
        METHODS
    }

    /// Runs one method whatever namespaces are served; `params` is the JSON array of its parameters.
    ///
    /// # Errors
    /// Whatever the method answers with.
    pub fn result(&self, method: &str, params: &[u8]) -> Answer {
        let found = find_method(method).ok_or_else(|| RpcError::method_not_found(method, None))?;
        let raw: &RawValue =
            serde_json::from_slice(params).map_err(|error| RpcError::invalid_params(error.to_string()))?;
        (found.run)(self, &Params::parse(Some(raw), found.params)?)
    }

    /// Answers a request or a batch; empty bytes where nothing is to be said (notifications only).
    ///
    /// Returns `None`, with nothing done, when any element needs Python: a method that is not of the core.
    pub fn handle(&self, body: &[u8]) -> Option<Vec<u8>> {
        self.handle_many(&[body]).pop().flatten()
    }

    /// Like [`Rpc::handle`] for several bodies; all transactions sent in them reach the pool as one batch.
    pub fn handle_many(&self, bodies: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let parsed: Vec<Result<Body<'_>, RpcError>> = bodies.iter().map(|body| Body::parse(body)).collect();
        let native: Vec<bool> =
            parsed.iter().map(|body| body.as_ref().map_or(true, |body| self.is_native(body))).collect();
        let empty: &[Element<'_>] = &[];
        let elements: Vec<&Element<'_>> = parsed
            .iter()
            .zip(&native)
            .flat_map(|(body, native)| match body {
                Ok(body) if *native => body.elements(),
                _ => empty,
            })
            .collect();
        let mut answers = self.answer_all(&elements).into_iter();
        parsed
            .iter()
            .zip(native)
            .map(|(body, native)| match body {
                Err(error) => Some(error_body(error)),
                Ok(_) if !native => None,
                Ok(body) => Some(join(body, &mut answers)),
            })
            .collect()
    }

    /// Takes a body apart, answering what the core can.
    ///
    /// # Errors
    /// The whole body is no request and no batch; the error is the answer.
    pub fn parts(&self, body: &[u8]) -> Result<Vec<Part>, RpcError> {
        let body = Body::parse(body)?;
        let (mine, _): (Vec<&Element<'_>>, Vec<_>) =
            body.elements().iter().partition(|element| self.is_native_element(element));
        let mut answers = self.answer_all(&mine).into_iter();
        let parts = body.elements().iter().map(|element| {
            let answer = self.is_native_element(element).then(|| {
                let answer = answers.next().unwrap_or_else(|| Err(RpcError::internal("no answer")));
                element_answer(element, &answer)
            });
            Part { request: element.text.as_bytes().to_vec(), answer }
        });
        Ok(parts.collect())
    }

    fn is_native(&self, body: &Body<'_>) -> bool {
        body.elements().iter().all(|element| self.is_native_element(element))
    }

    fn is_native_element(&self, element: &Element<'_>) -> bool {
        element.request.as_ref().map_or(true, |request| find_method(&request.method).is_some())
    }

    /// Answers in order until the time for one body is over; what is sent goes to the pool in one batch before anything is read.
    fn answer_all(&self, elements: &[&Element<'_>]) -> Vec<Answer> {
        let mut sends = self.send_all(elements);
        let started = Instant::now();
        elements
            .iter()
            .enumerate()
            .map(|(index, element)| match sends.get_mut(index).and_then(Option::take) {
                Some(answer) => answer,
                None if started.elapsed() > BODY_TIME_MAX => Err(too_long()),
                None => self.answer_one(element),
            })
            .collect()
    }

    fn send_all(&self, elements: &[&Element<'_>]) -> Vec<Option<Answer>> {
        let is_send = |element: &&Element<'_>| {
            element.request.as_ref().is_ok_and(|request| request.method == SEND && self.serves(SEND))
        };
        if elements.iter().filter(|element| is_send(element)).count() < 2 {
            return Vec::new();
        }
        let mut answers: Vec<Option<Answer>> = Vec::with_capacity(elements.len());
        let mut places = Vec::new();
        let mut raws: Vec<Bytes> = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            let raw = match &element.request {
                Ok(request) if is_send(element) => {
                    let names = &["Transaction"];
                    Some(Params::parse(request.params, names).and_then(|params| raw_of(&params)))
                }
                _ => None,
            };
            answers.push(match raw {
                Some(Ok(raw)) => {
                    places.push(index);
                    raws.push(raw);
                    None
                }
                Some(Err(error)) => Some(Err(error)),
                None => None,
            });
        }
        for (place, outcome) in places.into_iter().zip(self.chain.submit(raws)) {
            answers[place] = Some(sent(outcome));
        }
        answers
    }

    fn answer_one(&self, element: &Element<'_>) -> Answer {
        let request = element.request.as_ref().map_err(Clone::clone)?;
        let method = self.method(&request.method)?;
        let params = Params::parse(request.params, method.params)?;
        (method.run)(self, &params)
    }

    fn method(&self, name: &str) -> Result<&'static Method, RpcError> {
        match find_method(name) {
            Some(method) if self.serves(name) => Ok(method),
            Some(_) => {
                let namespace = name.split('_').next().unwrap_or_default();
                Err(RpcError::method_not_found(name, None).with("namespaceOff", namespace))
            }
            None => Err(RpcError::method_not_found(name, nearest_method(name))),
        }
    }

    fn serves(&self, name: &str) -> bool {
        let namespace = name.split('_').next().unwrap_or_default();
        self.options.namespaces.iter().any(|served| served == namespace)
    }
}

fn too_long() -> RpcError {
    let message = format!("the requests took more than {} s together", BODY_TIME_MAX.as_secs());
    RpcError::limit(message, "send fewer heavy requests in one batch")
}

fn join(body: &Body<'_>, answers: &mut impl Iterator<Item = Answer>) -> Vec<u8> {
    let mut next = || answers.next().unwrap_or_else(|| Err(RpcError::internal("no answer")));
    let elements = match body {
        Body::One(element) => return element_answer(element, &next()),
        Body::Batch(elements) => elements,
    };
    let mut out = vec![b'['];
    for element in elements {
        let mut answer = next();
        if out.len() > ANSWER_BYTES_MAX {
            let hint = "send fewer or smaller requests in one batch";
            answer = Err(RpcError::limit(format!("the answer exceeds {ANSWER_BYTES_MAX} bytes"), hint));
        }
        let text = element_answer(element, &answer);
        if text.is_empty() {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(&text);
    }
    if out.len() == 1 {
        return Vec::new();
    }
    out.push(b']');
    out
}

fn element_answer(element: &Element<'_>, answer: &Answer) -> Vec<u8> {
    let mut out = Vec::new();
    if !element.is_notification() {
        write_answer(&mut out, element.answer_id(), answer);
    }
    out
}

/// The answer to a body that holds no request at all.
pub fn error_body(error: &RpcError) -> Vec<u8> {
    let mut out = Vec::new();
    write_answer(&mut out, "null", &Err(error.clone()));
    out
}
