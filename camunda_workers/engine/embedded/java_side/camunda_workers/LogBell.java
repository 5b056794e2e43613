package camunda_workers;

import io.camunda.zeebe.logstreams.log.LogRecordAwaiter;
import java.util.concurrent.atomic.AtomicBoolean;

/** Rings once after it was armed, when the log has grown. */
public final class LogBell implements LogRecordAwaiter {
  private final AtomicBoolean armed = new AtomicBoolean();
  private final Runnable bell;

  public LogBell(final Runnable bell) {
    this.bell = bell;
  }

  public void arm() {
    armed.set(true);
  }

  @Override
  public void onRecordAvailable() {
    if (armed.get() && armed.getAndSet(false)) {
      bell.run();
    }
  }
}
