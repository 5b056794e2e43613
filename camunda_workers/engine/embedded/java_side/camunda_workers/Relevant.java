package camunda_workers;

import io.camunda.zeebe.logstreams.log.LogStreamReader;
import io.camunda.zeebe.protocol.impl.record.RecordMetadata;
import io.camunda.zeebe.protocol.record.RecordType;
import io.camunda.zeebe.protocol.record.ValueType;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.Set;

/**
 * Reads the log for the events that say what the engine waits for ({@code horizon.py}); of all others it looks at the header only.
 *
 * <p>An event is the names of its value type and intent (each after its length in one byte), its key (8 bytes), and its value as MessagePack after
 * its length (4 bytes).
 */
public final class Relevant {
  private static final Set<ValueType> TYPES =
      EnumSet.of(ValueType.JOB, ValueType.JOB_BATCH, ValueType.TIMER, ValueType.INCIDENT, ValueType.MESSAGE);

  private final LogStreamReader reader;
  private final RecordMetadata metadata = new RecordMetadata();
  private long position;
  private int count;

  public Relevant(final LogStreamReader reader) {
    this.reader = reader;
  }

  /** Reads up to so many records from where the reader stands and returns the events among them that matter. */
  public byte[] read(final int limit) {
    final var found = new ByteArrayOutputStream();
    for (count = 0; count < limit && reader.hasNext(); count++) {
      final var event = reader.next();
      event.readMetadata(metadata);
      position = event.getPosition();
      if (metadata.getRecordType() != RecordType.EVENT || !TYPES.contains(metadata.getValueType())) {
        continue;
      }
      name(found, metadata.getValueType().name());
      name(found, metadata.getIntent().name());
      final var value = new byte[event.getValueLength()];
      event.getValueBuffer().getBytes(event.getValueOffset(), value);
      found.writeBytes(ByteBuffer.allocate(12).putLong(event.getKey()).putInt(value.length).array());
      found.writeBytes(value);
    }
    return found.toByteArray();
  }

  /** How many records the last call read. */
  public int count() {
    return count;
  }

  /** The position of the last record that was read. */
  public long position() {
    return position;
  }

  private static void name(final ByteArrayOutputStream found, final String name) {
    final var text = name.getBytes(StandardCharsets.US_ASCII);
    found.write(text.length);
    found.writeBytes(text);
  }
}
