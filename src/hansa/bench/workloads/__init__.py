"""The workloads by name; each is one small file, and `shape` says what they have in common."""

from hansa.bench.workloads.evidence import Evidence, EvidenceLong, EvidenceShort
from hansa.bench.workloads.mixed import Mixed
from hansa.bench.workloads.poisoned import Poisoned
from hansa.bench.workloads.shape import Workload
from hansa.bench.workloads.small_bank import SmallBank, SmallBankZipf09, SmallBankZipf099
from hansa.bench.workloads.swap import SwapHundred, SwapOne
from hansa.bench.workloads.token import Token, TokenSkewed
from hansa.bench.workloads.transfer import Bursts, Transfer, TransferChain, TransferHot
from hansa.bench.workloads.voucher import Voucher
from hansa.bench.workloads.work import Nothing, Processor, Storage

WORKLOADS: dict[str, type[Workload]] = {
    "transfer": Transfer,
    "transfer-hot": TransferHot,
    "transfer-chain": TransferChain,
    "erc20": Token,
    "erc20-skewed": TokenSkewed,
    "smallbank": SmallBank,
    "smallbank-0.9": SmallBankZipf09,
    "smallbank-0.99": SmallBankZipf099,
    "nothing": Nothing,
    "cpu": Processor,
    "io": Storage,
    "swap-1": SwapOne,
    "swap-100": SwapHundred,
    "voucher": Voucher,
    "evidence-32": Evidence,
    "evidence-1k": EvidenceShort,
    "evidence-64k": EvidenceLong,
    "mixed": Mixed,
    "bursts": Bursts,
    "poisoned": Poisoned,
}
