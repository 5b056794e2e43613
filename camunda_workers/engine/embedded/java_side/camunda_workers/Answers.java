package camunda_workers;

import io.camunda.zeebe.protocol.record.RecordType;
import io.camunda.zeebe.protocol.record.RejectionType;
import io.camunda.zeebe.protocol.record.ValueType;
import io.camunda.zeebe.protocol.record.intent.Intent;
import io.camunda.zeebe.stream.api.CommandResponseWriter;
import io.camunda.zeebe.util.buffer.BufferWriter;
import java.nio.charset.StandardCharsets;
import org.agrona.DirectBuffer;

/**
 * The engine's answers to commands: filled field by field on the processing thread, then sent.
 *
 * <p>Message: request (8 bytes), key (8), the intent's name and the name of the rejection's type (each after its length in one byte; 0 when not
 * rejected), then the value as MessagePack or the reason of the rejection as UTF-8.
 */
public final class Answers implements CommandResponseWriter {
  private final Outbox outbox;
  private long key;
  private Intent intent;
  private RecordType recordType;
  private RejectionType rejectionType;
  private DirectBuffer rejectionReason;
  private BufferWriter value;

  public Answers(final Outbox outbox) {
    this.outbox = outbox;
  }

  @Override
  public CommandResponseWriter partitionId(final int partitionId) {
    return this;
  }

  @Override
  public CommandResponseWriter key(final long key) {
    this.key = key;
    return this;
  }

  @Override
  public CommandResponseWriter intent(final Intent intent) {
    this.intent = intent;
    return this;
  }

  @Override
  public CommandResponseWriter recordType(final RecordType type) {
    recordType = type;
    return this;
  }

  @Override
  public CommandResponseWriter valueType(final ValueType type) {
    return this;
  }

  @Override
  public CommandResponseWriter rejectionType(final RejectionType type) {
    rejectionType = type;
    return this;
  }

  @Override
  public CommandResponseWriter rejectionReason(final DirectBuffer reason) {
    rejectionReason = reason;
    return this;
  }

  @Override
  public CommandResponseWriter valueWriter(final BufferWriter writer) {
    value = writer;
    return this;
  }

  @Override
  public void tryWriteResponse(final int requestStreamId, final long requestId) {
    final var rejected = recordType == RecordType.COMMAND_REJECTION;
    final var done = intent.name().getBytes(StandardCharsets.US_ASCII);
    final var refused = (rejected ? rejectionType.name() : "").getBytes(StandardCharsets.US_ASCII);
    final var rest = rejected ? rejectionReason.capacity() : value.getLength();
    final var message = Outbox.message(Outbox.ANSWER, 8 + 8 + 1 + done.length + 1 + refused.length + rest);
    message.putLong(requestId).putLong(key);
    message.put((byte) done.length).put(done).put((byte) refused.length).put(refused);
    if (rejected) {
      rejectionReason.getBytes(0, message, rejectionReason.capacity());
    } else {
      Outbox.append(message, value);
    }
    outbox.put(message);
  }
}
