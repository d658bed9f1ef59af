package comparison;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.WindowStoreIterator;

/**
 * What Hookline's processors do, in short, as a Kafka Streams application: raw deliveries are
 * parsed, repeats dropped, canonical records written. For comparing how long it is silent after a
 * fault; every setting that is no argument is Kafka Streams' default.
 */
public final class StreamsComparison {
  private static final String SEEN = "seen";
  private static final Duration WINDOW = Duration.ofHours(72); // Hookline's default too
  private static final String DELIVERY = "hookline-delivery";
  private static final Set<String> COPIED =
      Set.of(DELIVERY, "hookline-source", "hookline-shop", "hookline-received-us");
  private static final ObjectMapper JSON = new ObjectMapper();

  private StreamsComparison() {}

  /** Runs until SIGTERM; exits with 1 once Kafka Streams has given up. */
  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length != 6) {
      System.err.println(
          "arguments: BROKERS PREFIX APPLICATION-ID exactly_once_v2|at_least_once"
              + " REPLICATION-FACTOR STATE-FOLDER");
      System.exit(2);
    }
    String prefix = arguments[1];
    Properties settings = new Properties();
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[2]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, arguments[3]);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, arguments[4]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[5]);
    KafkaStreams streams =
        new KafkaStreams(
            topology(prefix + "hookline.webhooks", prefix + "streams-comparison"), settings);
    CountDownLatch ended = new CountDownLatch(1);
    streams.setStateListener(
        (now, before) -> {
          System.out.println(System.currentTimeMillis() + " " + before + " -> " + now);
          if (now == KafkaStreams.State.ERROR) {
            ended.countDown();
          }
        });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
    streams.start();
    ended.await();
    System.exit(1);
  }

  private static Topology topology(String input, String output) {
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(input, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .process(new Transforms())
        .to(output, Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
    return builder.build();
  }

  /** Gives the processor and its store, which has a changelog topic as every store by default. */
  private static final class Transforms
      implements ProcessorSupplier<byte[], byte[], byte[], byte[]> {
    @Override
    public Processor<byte[], byte[], byte[], byte[]> get() {
      return new Transform();
    }

    @Override
    public Set<StoreBuilder<?>> stores() {
      return Set.of(
          Stores.windowStoreBuilder(
              Stores.persistentWindowStore(SEEN, WINDOW, WINDOW, false),
              Serdes.String(),
              Serdes.Long()));
    }
  }

  private static final class Transform
      extends ContextualProcessor<byte[], byte[], byte[], byte[]> {
    private WindowStore<String, Long> seen;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      super.init(context);
      seen = context.getStateStore(SEEN);
    }

    @Override
    public void process(Record<byte[], byte[]> raw) {
      Header header = raw.headers().lastHeader(DELIVERY);
      if (header == null || raw.value() == null) {
        return; // no delivery
      }
      String delivery = new String(header.value(), StandardCharsets.UTF_8);
      long at = raw.timestamp();
      try (WindowStoreIterator<Long> earlier =
          seen.fetch(delivery, at - WINDOW.toMillis(), at + WINDOW.toMillis())) {
        if (earlier.hasNext()) {
          return;
        }
      }
      byte[] value;
      try {
        value = canonical(delivery, raw.value());
      } catch (IOException unreadable) {
        return; // the load that is compared has none
      }
      seen.put(delivery, at, at);
      RecordHeaders headers = new RecordHeaders();
      for (Header each : raw.headers()) {
        if (COPIED.contains(each.key())) {
          headers.add(each);
        }
      }
      context().forward(new Record<>(raw.key(), value, at, headers));
    }
  }

  /** One small record for the bodies of every platform: what is paid, by whom, when. */
  private static byte[] canonical(String delivery, byte[] body) throws IOException {
    JsonNode root = JSON.readTree(body);
    JsonNode data = root.path("data").isObject() ? root.path("data") : root;
    ObjectNode made = JSON.createObjectNode();
    made.put(
        "event_id",
        UUID.nameUUIDFromBytes(delivery.getBytes(StandardCharsets.UTF_8)).toString());
    made.put("event", root.path("type").asText("order"));
    made.put("id", data.path("id").asText());
    made.put("email", first(data, "email", "/customer/email"));
    made.put("total", first(data, "total_price", "subtotal", "/totals/total/amount"));
    made.put("currency", first(data, "currency"));
    made.put("occurred_at", first(data, "updated_at", "createdAt", "ordered"));
    made.put("lines", data.path(data.has("line_items") ? "line_items" : "items").size());
    return JSON.writeValueAsBytes(made);
  }

  private static String first(JsonNode data, String... names) {
    for (String name : names) {
      JsonNode found = name.startsWith("/") ? data.at(name) : data.path(name);
      if (found.isValueNode() && !found.isNull()) {
        return found.asText();
      }
    }
    return null;
  }
}
