package camunda_workers;

import java.io.FileOutputStream;
import java.io.IOException;

/**
 * Wakes Python's event loop through a pipe that it watches. A call into Python would wait for its global lock, on the engine's processing thread; a
 * quarter of a busy engine's time went there.
 */
public final class Bell implements Runnable, AutoCloseable {
  private final FileOutputStream pipe;

  /**
   * @param path of the pipe's end for writing; opened here, so that closing it is nobody else's matter
   */
  public Bell(final String path) throws IOException {
    pipe = new FileOutputStream(path);
  }

  @Override
  public void run() {
    try {
      pipe.write(1);
    } catch (final IOException e) {
      // The event loop is gone or the bell was closed: nobody waits any more.
    }
  }

  @Override
  public void close() throws IOException {
    pipe.close();
  }
}
