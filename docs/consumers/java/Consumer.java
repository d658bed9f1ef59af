import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Prints one line for each order: entity, change, total, currency. See ../../consuming.md.
 *
 * <p>mvn -q compile exec:java [-Dexec.args=COUNT]
 */
public final class Consumer {
    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static final Map<Integer, Schema> SCHEMAS = new HashMap<>();
    private static final GenericData DATA = new GenericData();

    static {
        DATA.addLogicalTypeConversion(new Conversions.DecimalConversion());
    }

    private Consumer() {
    }

    /** Asks the registry for the schema that a record was written with, once for each id. */
    private static Schema schema(int id) throws IOException, InterruptedException {
        if (!SCHEMAS.containsKey(id)) {
            URI address = URI.create(System.getenv("HOOKLINE_REGISTRY_URL") + "/schemas/ids/" + id);
            HttpResponse<String> answer =
                HTTP.send(HttpRequest.newBuilder(address).build(), HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 200) {
                throw new IOException("schema " + id + ": " + answer.statusCode());
            }
            String text = new ObjectMapper().readTree(answer.body()).get("schema").asText();
            SCHEMAS.put(id, new Schema.Parser().parse(text));
        }
        return SCHEMAS.get(id);
    }

    /** Decodes the Confluent wire format: a zero byte, the schema's id, the Avro record. */
    private static GenericRecord decode(byte[] value) throws IOException, InterruptedException {
        ByteBuffer buffer = ByteBuffer.wrap(value);
        if (buffer.get() != 0) {
            throw new IOException("not in the Confluent wire format");
        }
        Schema schema = schema(buffer.getInt());
        var reader = new GenericDatumReader<GenericRecord>(schema, schema, DATA);
        return reader.read(null, DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, null));
    }

    private static Object shown(Object value) {
        return value == null ? "-" : value;
    }

    public static void main(String[] arguments) throws Exception {
        long left = arguments.length > 0 ? Long.parseLong(arguments[0]) : Long.MAX_VALUE;
        String prefix = System.getenv().getOrDefault("HOOKLINE_PREFIX", "");
        Properties properties = new Properties();
        properties.put("bootstrap.servers", System.getenv("HOOKLINE_BROKERS"));
        properties.put("group.id", prefix + "orders-in-java");
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        properties.put("max.poll.records", "1");
        properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
        properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
        try (var consumer = new KafkaConsumer<byte[], byte[]>(properties)) {
            consumer.subscribe(List.of(prefix + "hookline.orders"));
            while (left > 0) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    GenericRecord order = decode(record.value());
                    GenericRecord meta = (GenericRecord) order.get("meta");
                    System.out.println(meta.get("entity") + " " + meta.get("change") + " "
                        + shown(order.get("total")) + " " + shown(order.get("currency")));
                    // Handled; after a crash the last record comes again.
                    consumer.commitSync(Map.of(
                        new TopicPartition(record.topic(), record.partition()),
                        new OffsetAndMetadata(record.offset() + 1)));
                    left--;
                }
            }
        }
    }
}
