package camunda_workers;

import io.camunda.zeebe.util.buffer.BufferWriter;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * What the engine's threads have to tell Python, in order. Python is woken once, when something has come into the empty outbox, and takes all that is
 * there: a call for each would cost more than what it tells.
 *
 * <p>A message is its length (4 bytes, big-endian, not counted in itself), one byte for its kind, and what the kind says.
 */
public final class Outbox {
  static final byte ANSWER = 1;
  static final byte WORK_AVAILABLE = 2;
  static final byte JOB = 3;

  private final ConcurrentLinkedQueue<byte[]> messages = new ConcurrentLinkedQueue<>();
  private final AtomicBoolean rung = new AtomicBoolean();
  private final Runnable bell;

  public Outbox(final Runnable bell) {
    this.bell = bell;
  }

  /** Returns a buffer for a message with a body of this length; the kind is written already. */
  static ByteBuffer message(final byte kind, final int length) {
    return ByteBuffer.allocate(5 + length).putInt(1 + length).put(kind);
  }

  /** Writes what the writer has to the end of a message made with the right length. */
  static void append(final ByteBuffer message, final BufferWriter writer) {
    writer.write(new UnsafeBuffer(message.array()), message.position());
  }

  void put(final ByteBuffer message) {
    messages.add(message.array());
    if (!rung.getAndSet(true)) {
      bell.run();
    }
  }

  /** Takes all messages, joined; empty when there are none. The next message after this rings again. */
  public byte[] take() {
    rung.set(false);
    final var joined = new ByteArrayOutputStream();
    for (var message = messages.poll(); message != null; message = messages.poll()) {
      joined.writeBytes(message);
    }
    return joined.toByteArray();
  }
}
