package camunda_workers;

import io.camunda.zeebe.logstreams.log.LogAppendEntry;
import io.camunda.zeebe.logstreams.log.LogStreamWriter;
import io.camunda.zeebe.logstreams.log.WriteContext;
import io.camunda.zeebe.protocol.impl.record.RecordMetadata;
import io.camunda.zeebe.protocol.impl.record.UnifiedRecordValue;
import io.camunda.zeebe.protocol.record.RecordType;
import io.camunda.zeebe.protocol.record.ValueType;
import io.camunda.zeebe.protocol.record.intent.Intent;
import org.agrona.concurrent.UnsafeBuffer;

/** Commands from Python: each is written to the engine's log with one call. */
public final class Commands {
  /** The request stream that all commands share; the request alone tells answers apart. */
  private static final int STREAM = 1;

  private final LogStreamWriter writer;

  public Commands(final LogStreamWriter writer) {
    this.writer = writer;
  }

  /**
   * Writes a command.
   *
   * @param record reads the value, and is overwritten by it
   * @param value as MessagePack
   * @param keyed whether it has a key
   * @param request by which its answer is known, 0 when nobody waits for one
   * @param referenced whether it has an operation reference
   * @return null, or why it could not be written
   */
  public String write(
      final ValueType valueType,
      final Intent intent,
      final UnifiedRecordValue record,
      final byte[] value,
      final boolean keyed,
      final long key,
      final long request,
      final boolean referenced,
      final long reference) {
    final var metadata = new RecordMetadata().recordType(RecordType.COMMAND).valueType(valueType).intent(intent);
    if (request != 0) {
      metadata.requestStreamId(STREAM).requestId(request);
    }
    if (referenced) {
      metadata.operationReference(reference);
    }
    record.wrap(new UnsafeBuffer(value));
    final var entry = keyed ? LogAppendEntry.of(key, metadata, record) : LogAppendEntry.of(metadata, record);
    final var written = writer.tryWrite(WriteContext.internal(), entry);
    return written.isLeft() ? written.getLeft().name() : null;
  }
}
