// One life of a contract through ethers v6 with its default settings; prints what it saw as JSON.
import { readFileSync } from "node:fs";
import { Contract, ContractFactory, JsonRpcProvider, NonceManager, Wallet, WebSocketProvider, verifyMessage } from "ethers";

const [url, wsUrl, key] = process.argv.slice(2);
const artefact = JSON.parse(readFileSync(new URL("./contracts/Counter.json", import.meta.url)));
const provider = new JsonRpcProvider(url);
const live = new WebSocketProvider(wsUrl);
const wallet = new Wallet(key, provider);
const signer = new NonceManager(wallet);
const stranger = "0x00000000000000000000000000000000000A11cE";
const seen = {};

seen.chainId = Number((await provider.getNetwork()).chainId);
const fees = await provider.getFeeData();
seen.fees = { gasPrice: String(fees.gasPrice), maxFee: String(fees.maxFeePerGas), tip: String(fees.maxPriorityFeePerGas) };

const paid = await (await signer.sendTransaction({ to: stranger, value: 5n })).wait();
seen.transfer = { status: paid.status, confirmations: await paid.confirmations() };

const counter = await new ContractFactory(artefact.abi, artefact.bytecode, signer).deploy(7);
await counter.waitForDeployment();
const address = await counter.getAddress();
seen.start = String(await counter.total());

const watching = new Contract(address, artefact.abi, live);
const heads = [];
await live.on("block", (number) => heads.push(number));
let hear;
const heard = new Promise((resolve) => (hear = resolve));
await watching.on("Added", (by, amount, total) => hear([by, String(amount), String(total)]));
await live.send("eth_syncing", []); // answered after the subscriptions on the same connection
const receipt = await (await counter.add(5)).wait();
seen.event = await heard;
seen.logs = (await counter.queryFilter("Added", receipt.blockNumber)).map((log) => String(log.args.amount));
seen.total = String(await counter.total());
seen.historic = String(await counter.total({ blockTag: receipt.blockNumber - 1 }));
seen.heads = heads.includes(receipt.blockNumber);

try {
  await counter.add(0);
} catch (error) {
  seen.revert = { code: error.code, reason: error.reason };
}
try {
  await wallet.sendTransaction({ to: stranger, value: 1n, nonce: 0, gasLimit: 21000n });
} catch (error) {
  seen.nonce = error.code;
}
const block = await provider.getBlock("finalized", true);
seen.block = { transactions: block.prefetchedTransactions.length === block.transactions.length, number: block.number >= receipt.blockNumber };
seen.gas = (await counter.add.estimateGas(1)) > 21000n;
seen.signed = verifyMessage("a promise", await wallet.signMessage("a promise")) === wallet.address;
seen.wallet = wallet.address;

console.log(JSON.stringify(seen));
await live.destroy();
provider.destroy();
