// Asking the program for something.

// Sends an order or an answer. Throws in the program's words when it is refused.
export async function send(path, body = null) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      // Beside the cookie, which goes to every port of this machine.
      headers: { "X-Aurore-Hand": localStorage.getItem("hand") ?? "", "Content-Type": "application/json" },
      body: body === null ? null : JSON.stringify(body),
    });
  } catch {
    throw new Error("The program does not answer: it may have ended.");
  }
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(said.error?.message ?? `the program answered ${response.status}`);
  return said;
}

// Calls `hear` with each event from the beginning, `state` with whether the program can be heard.
export function listen(hear, heard) {
  const source = new EventSource("/runs/current/events");
  source.addEventListener("message", (message) => hear(JSON.parse(message.data)));
  source.addEventListener("open", () => heard(true));
  source.addEventListener("error", () => heard(false));
}
