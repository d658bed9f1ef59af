// Prints one line for each order: entity, change, total, currency. See ../../consuming.md.
//
//   npm ci; node consumer.js [COUNT]
import avro from "avsc";
import { Kafka, logLevel } from "kafkajs";

const prefix = process.env.HOOKLINE_PREFIX ?? "";
const topic = `${prefix}hookline.orders`;
const types = new Map();
let left = process.argv.length > 2 ? Number(process.argv[2]) : Infinity;

/** An amount: a whole number of any size, of which the last `scale` digits are decimals. */
class Decimal extends avro.types.LogicalType {
  constructor(schema, options) {
    super(schema, options);
    this.scale = schema.scale ?? 0;
  }

  _fromValue(bytes) {
    const number = BigInt.asIntN(8 * bytes.length, BigInt(`0x${bytes.toString("hex")}`));
    const digits = (number < 0n ? -number : number).toString().padStart(this.scale + 1, "0");
    const at = digits.length - this.scale;
    return `${number < 0n ? "-" : ""}${digits.slice(0, at)}.${digits.slice(at)}`;
  }
}

/** Ask the registry for the schema that a record was written with, once for each id. */
async function typeOf(id) {
  if (!types.has(id)) {
    const answer = await fetch(`${process.env.HOOKLINE_REGISTRY_URL}/schemas/ids/${id}`);
    if (!answer.ok) throw new Error(`schema ${id}: ${answer.status}`);
    const { schema } = await answer.json();
    const options = { logicalTypes: { decimal: Decimal }, wrapUnions: false };
    types.set(id, avro.Type.forSchema(JSON.parse(schema), options));
  }
  return types.get(id);
}

/** Decode the Confluent wire format: a zero byte, the schema's id, the Avro record. */
async function decode(value) {
  if (value[0] !== 0) throw new Error("not in the Confluent wire format");
  return (await typeOf(value.readUInt32BE(1))).fromBuffer(value.subarray(5));
}

const kafka = new Kafka({
  brokers: process.env.HOOKLINE_BROKERS.split(","),
  logLevel: logLevel.ERROR,
});
const consumer = kafka.consumer({ groupId: `${prefix}orders-in-node` });
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
const finished = new Promise((resolve, reject) => {
  consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
  consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: 1,
    eachMessage: async ({ partition, message }) => {
      if (left <= 0) return;
      const { meta, total, currency } = await decode(message.value);
      console.log(meta.entity, meta.change, total ?? "-", currency ?? "-");
      // Handled; after a crash the last record comes again.
      const offset = (BigInt(message.offset) + 1n).toString();
      await consumer.commitOffsets([{ topic, partition, offset }]);
      left -= 1;
      if (left <= 0) resolve();
    },
  });
});
await finished;
await consumer.disconnect();
