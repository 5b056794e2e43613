// One file to the server, as it is; the server looks at what it really is.
export async function send(address, file, csrf) {
  try {
    const response = await fetch(address, {
      method: "POST",
      headers: {
        "Content-Type": file.type || kindOf(file.name),
        "X-File-Name": encodeURIComponent(file.name),
        "X-CSRF-Token": csrf(),
        Accept: "application/json",
      },
      body: file,
      credentials: "same-origin",
    });
    const to = response.headers.get("X-Sign-In");
    if (to) location.assign(to);
    return await response.json();
  } catch {
    return { text: document.documentElement.dataset.offline };
  }
}

// Browsers leave the type of some files empty.
const KINDS = { eml: "message/rfc822", log: "text/plain", csv: "text/csv", docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document" };

function kindOf(name) {
  return KINDS[name.split(".").pop().toLowerCase()] ?? "application/octet-stream";
}
