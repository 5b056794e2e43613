package camunda_workers;

import io.camunda.zeebe.logstreams.log.LogStreamReader;
import io.camunda.zeebe.stream.impl.records.CopiedRecords;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** Reads records as JSON, many in one call. */
public final class Records {
  private final LogStreamReader reader;
  private final int partition;
  private long position;

  public Records(final LogStreamReader reader, final int partition) {
    this.reader = reader;
    this.partition = partition;
  }

  /** Returns up to so many records from where the reader stands, one a line, each line ended. */
  public byte[] read(final int limit) {
    final var lines = new ByteArrayOutputStream();
    for (int count = 0; count < limit && reader.hasNext(); count++) {
      final var event = reader.next();
      position = event.getPosition();
      lines.writeBytes(CopiedRecords.createCopiedRecord(partition, event).toJson().getBytes(StandardCharsets.UTF_8));
      lines.write('\n');
    }
    return lines.toByteArray();
  }

  /** The position of the last record that was read. */
  public long position() {
    return position;
  }
}
