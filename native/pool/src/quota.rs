//! Token buckets in declared gas, per sender and per organisation.

use alloy_primitives::Address;
use schnellru::{ByLength, LruMap};

use crate::rules::Quota;

/// More organisations than an alliance has; a higher index shares the last bucket.
const ORGANISATIONS_MAX: usize = 1_024;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    gas: u64,
    at_ms: u64,
}

impl Bucket {
    fn full(quota: Quota, now_ms: u64) -> Self {
        Self { gas: quota.burst_gas, at_ms: now_ms }
    }

    fn refill(&mut self, quota: Quota, now_ms: u64) {
        let elapsed = now_ms.saturating_sub(self.at_ms);
        let flow = u128::from(elapsed) * u128::from(quota.gas_per_s) / 1_000;
        // A bucket that gained nothing keeps its time, so that fractions are not lost.
        if flow > 0 {
            let gas = (u128::from(self.gas) + flow).min(u128::from(quota.burst_gas));
            self.gas = u64::try_from(gas).unwrap_or(quota.burst_gas);
            self.at_ms = now_ms;
        }
    }

    /// Milliseconds until `gas` can be taken; none if at once.
    fn shortage_ms(&self, gas: u64, quota: Quota) -> Option<u64> {
        let short = gas.saturating_sub(self.gas);
        if short == 0 {
            return None;
        }
        Some(short.saturating_mul(1_000).div_ceil(quota.gas_per_s.max(1)).max(1))
    }
}

/// All buckets of a pool.
pub(crate) struct Quotas {
    sender: Option<Quota>,
    organisation: Option<Quota>,
    senders: LruMap<Address, Bucket, ByLength>,
    organisations: Vec<Option<Bucket>>,
}

/// Whose bucket is empty, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OverQuota {
    Sender(u64),
    Organisation(u64),
}

impl Quotas {
    pub(crate) fn new(sender: Option<Quota>, organisation: Option<Quota>, senders_max: u32) -> Self {
        let senders = LruMap::new(ByLength::new(senders_max));
        Self { sender, organisation, senders, organisations: Vec::new() }
    }

    /// Takes `gas` from both buckets, or from neither.
    pub(crate) fn take(
        &mut self,
        sender: Address,
        organisation: u32,
        gas: u64,
        now_ms: u64,
    ) -> Result<(), OverQuota> {
        let organisation = match self.organisation {
            None => None,
            Some(quota) => {
                let bucket = self.organisation_bucket(organisation, quota, now_ms);
                if let Some(wait_ms) = bucket.shortage_ms(gas, quota) {
                    return Err(OverQuota::Organisation(wait_ms));
                }
                Some(organisation)
            }
        };
        if let Some(quota) = self.sender
            && let Some(bucket) = self.senders.get_or_insert(sender, || Bucket::full(quota, now_ms))
        {
            bucket.refill(quota, now_ms);
            if let Some(wait_ms) = bucket.shortage_ms(gas, quota) {
                return Err(OverQuota::Sender(wait_ms));
            }
            bucket.gas -= gas;
        }
        if let (Some(index), Some(quota)) = (organisation, self.organisation) {
            self.organisation_bucket(index, quota, now_ms).gas -= gas;
        }
        Ok(())
    }

    fn organisation_bucket(&mut self, index: u32, quota: Quota, now_ms: u64) -> &mut Bucket {
        let index = (index as usize).min(ORGANISATIONS_MAX - 1);
        if self.organisations.len() <= index {
            self.organisations.resize(index + 1, None);
        }
        let bucket = self.organisations[index].get_or_insert_with(|| Bucket::full(quota, now_ms));
        bucket.refill(quota, now_ms);
        bucket
    }
}
