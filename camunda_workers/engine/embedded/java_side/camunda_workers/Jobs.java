package camunda_workers;

import io.camunda.zeebe.engine.processing.streamprocessor.JobStreamer;
import io.camunda.zeebe.protocol.impl.stream.job.ActivatedJob;
import io.camunda.zeebe.protocol.impl.stream.job.JobActivationProperties;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import org.agrona.DirectBuffer;

/**
 * Who waits for jobs of which type, as the engine asks it: once for each job. Python says who does; here the engine is answered without calling Python.
 *
 * <p>Messages: work available: the job type as UTF-8. A pushed job: the stream's id (8 bytes), the job's key (8), the job as MessagePack.
 */
public final class Jobs implements JobStreamer {
  private final Outbox outbox;
  private final Set<String> polled = ConcurrentHashMap.newKeySet();
  private final ConcurrentHashMap<String, List<Stream>> streams = new ConcurrentHashMap<>();
  private int turn;

  public Jobs(final Outbox outbox) {
    this.outbox = outbox;
  }

  /** Tells of work of this type from now on. */
  public void startPolling(final String type) {
    polled.add(type);
  }

  public void stopPolling(final String type) {
    polled.remove(type);
  }

  /**
   * Opens a stream.
   *
   * @param capacity how many jobs may be pushed and not yet released; while it is full, the engine is told that it is not there.
   */
  public Stream open(final long id, final String type, final int capacity, final JobActivationProperties properties) {
    final var stream = new Stream(outbox, id, capacity, properties);
    streams.computeIfAbsent(type, key -> new CopyOnWriteArrayList<>()).add(stream);
    return stream;
  }

  public void close(final String type, final Stream stream) {
    streams.computeIfPresent(
        type,
        (key, open) -> {
          open.remove(stream);
          return open.isEmpty() ? null : open;
        });
  }

  @Override
  public void notifyWorkAvailable(final String type) {
    if (polled.contains(type)) {
      final var name = type.getBytes(StandardCharsets.UTF_8);
      outbox.put(Outbox.message(Outbox.WORK_AVAILABLE, name.length).put(name));
    }
  }

  @Override
  public Optional<JobStream> streamFor(final DirectBuffer type, final Predicate<JobActivationProperties> filter) {
    if (streams.isEmpty()) {
      return Optional.empty();
    }
    final var open = streams.get(type.getStringWithoutLengthUtf8(0, type.capacity()));
    if (open == null) {
      return Optional.empty();
    }
    final var candidates = open.toArray(Stream[]::new);
    turn++;
    for (int offset = 0; offset < candidates.length; offset++) {
      final var stream = candidates[Math.floorMod(turn + offset, candidates.length)];
      if (filter.test(stream.properties) && stream.claim()) {
        return Optional.of(stream);
      }
    }
    return Optional.empty();
  }

  /** One open stream of a worker. */
  public static final class Stream implements JobStream {
    private final Outbox outbox;
    private final long id;
    private final int capacity;
    private final JobActivationProperties properties;
    private final AtomicInteger underWay = new AtomicInteger();

    Stream(final Outbox outbox, final long id, final int capacity, final JobActivationProperties properties) {
      this.outbox = outbox;
      this.id = id;
      this.capacity = capacity;
      this.properties = properties;
    }

    /** Makes room: this many pushed jobs have left. */
    public void release(final int count) {
      underWay.addAndGet(-count);
    }

    private boolean claim() {
      if (underWay.incrementAndGet() <= capacity) {
        return true;
      }
      underWay.decrementAndGet();
      return false;
    }

    @Override
    public JobActivationProperties properties() {
      return properties;
    }

    @Override
    public void push(final ActivatedJob job) {
      // The record is the engine's own, reused for the next job: it is copied here.
      final var record = job.jobRecord();
      final var message = Outbox.message(Outbox.JOB, 16 + record.getLength()).putLong(id).putLong(job.jobKey());
      Outbox.append(message, record);
      outbox.put(message);
    }
  }
}
