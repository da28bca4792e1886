//! Logs by range or block, and the events of one block for subscriptions.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::Bloom;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use hansa_chain::SealedBlock;

use crate::answer::{Answer, json_bytes};
use crate::blocks::{block_logs, rpc_header};
use crate::error::RpcError;
use crate::request::Params;
use crate::rpc::Rpc;

/// Most addresses, or alternatives of one topic, in a filter.
const FILTER_ALTERNATIVES_MAX: usize = 1_000;

pub(crate) fn get_logs(rpc: &Rpc, params: &Params<'_>) -> Answer {
    let filter: Filter = params.required(0)?;
    check_filter(&filter)?;
    let (first, last) = match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let block = rpc.require_block(BlockId::from(hash))?;
            (block.header.number, block.header.number)
        }
        FilterBlockOption::Range { from_block, to_block } => rpc.range(from_block, to_block)?,
    };
    json_bytes(&rpc.collect_logs(&filter, first, last)?)
}

impl Rpc {
    /// Numbers of a range of tags; blocks above the head are not looked for.
    fn range(
        &self,
        from: Option<BlockNumberOrTag>,
        to: Option<BlockNumberOrTag>,
    ) -> Result<(u64, u64), RpcError> {
        let head = self.head();
        let number = |tag: Option<BlockNumberOrTag>| match tag {
            Some(BlockNumberOrTag::Number(number)) => number,
            Some(BlockNumberOrTag::Earliest) => 0,
            _ => head,
        };
        let (first, last) = (number(from), number(to));
        if first > last {
            return Err(RpcError::invalid_params(format!(
                "invalid block range: from {first} is above to {last}"
            )));
        }
        let last = last.min(head);
        let oldest = self.chain.oldest_block();
        if (1..oldest).contains(&first.max(1)) {
            return Err(RpcError::block_pruned(first, oldest));
        }
        let blocks_max = self.options.logs_blocks_max;
        if first <= last && last - first >= blocks_max {
            let to = first + blocks_max - 1;
            return Err(range_limit(format!("the range has {} blocks", last - first + 1), first, to));
        }
        Ok((first, last))
    }

    fn collect_logs(&self, filter: &Filter, first: u64, last: u64) -> Result<Vec<Log>, RpcError> {
        let mut found = Vec::new();
        for number in first..=last {
            if !self.chain.bloom_matches(number, |bloom| filter.matches_bloom(*bloom)) {
                continue;
            }
            let Some(block) = self.block_at(number)? else { continue };
            let before = found.len();
            append_matching(&block, filter, &mut found);
            if found.len() > self.options.logs_results_max {
                let message = format!("more than {} logs match", self.options.logs_results_max);
                if number == first {
                    return Err(RpcError::limit(
                        message,
                        "name addresses or topics: one block alone has more",
                    ));
                }
                found.truncate(before);
                return Err(range_limit(message, first, number - 1));
            }
        }
        Ok(found)
    }

    /// The newHeads event of a sealed block, as JSON.
    ///
    /// # Errors
    /// The log does not give the block back.
    pub fn head_event(&self, number: u64) -> Result<Option<Vec<u8>>, RpcError> {
        self.block_at(number)?.map(|block| json_bytes(&rpc_header(&block))).transpose()
    }

    /// The logs of a sealed block that match a filter, one JSON text each.
    ///
    /// # Errors
    /// Invalid parameters when `filter` is no filter.
    pub fn log_events(&self, number: u64, filter: &[u8]) -> Result<Vec<Vec<u8>>, RpcError> {
        let filter = parse_filter(filter)?;
        let mut found = Vec::new();
        if let Some(block) = self.block_at(number)? {
            append_matching(&block, &filter, &mut found);
        }
        found.iter().map(json_bytes).collect()
    }
}

/// Reads a filter object and checks its bounds.
///
/// # Errors
/// Invalid parameters.
pub fn parse_filter(text: &[u8]) -> Result<Filter, RpcError> {
    let filter: Filter = serde_json::from_slice(text)
        .map_err(|error| RpcError::invalid_params(format!("invalid argument 0 (Filter): {error}")))?;
    check_filter(&filter)?;
    Ok(filter)
}

fn check_filter(filter: &Filter) -> Result<(), RpcError> {
    let longest = filter.topics.iter().map(|topic| topic.len()).fold(filter.address.len(), usize::max);
    if longest > FILTER_ALTERNATIVES_MAX {
        let hint =
            format!("name at most {FILTER_ALTERNATIVES_MAX} addresses, and as many alternatives of a topic");
        return Err(RpcError::limit(format!("the filter names {longest} alternatives"), hint));
    }
    Ok(())
}

fn append_matching(block: &SealedBlock, filter: &Filter, found: &mut Vec<Log>) {
    if block.header.logs_bloom == Bloom::ZERO || !filter.matches_bloom(block.header.logs_bloom) {
        return;
    }
    let mut first = 0;
    for (index, receipt) in block.receipts.iter().enumerate() {
        if receipt.logs.iter().any(|log| filter.matches(log)) {
            found.extend(block_logs(block, index, first).filter(|log| filter.matches(&log.inner)));
        }
        first += receipt.logs.len() as u64;
    }
}

fn range_limit(message: String, from: u64, to: u64) -> RpcError {
    RpcError::limit(message, format!("use the range 0x{from:x} to 0x{to:x}, then go on from there"))
        .with("from", format!("0x{from:x}"))
        .with("to", format!("0x{to:x}"))
}
