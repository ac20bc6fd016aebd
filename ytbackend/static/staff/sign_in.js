// Signing in by Cognito: authorization code with PKCE, https://www.rfc-editor.org/rfc/rfc7636.
// The page's JSON says where; state and verifier stay in this tab, the nonce is the server's (its cookie has it as well).
"use strict";

const KEPT = "staff-sign-in";

function encoded(bytes) {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function random() {
  return encoded(crypto.getRandomValues(new Uint8Array(32)));
}

async function begin(config) {
  const verifier = random();
  const state = random();
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  sessionStorage.setItem(KEPT, JSON.stringify({ verifier, state, next: config.next }));
  const query = new URLSearchParams({
    response_type: "code",
    client_id: config.client,
    redirect_uri: config.redirect,
    scope: "openid email",
    state,
    nonce: config.nonce,
    code_challenge: encoded(new Uint8Array(digest)),
    code_challenge_method: "S256",
  });
  location.assign(`${config.domain}/oauth2/authorize?${query}`);
}

async function finish(config) {
  const answer = new URLSearchParams(location.search);
  const kept = JSON.parse(sessionStorage.getItem(KEPT) || "null");
  sessionStorage.removeItem(KEPT);
  history.replaceState(null, "", location.pathname); // no code in the history
  if (answer.get("error")) throw new Error(`Cognito refused: ${answer.get("error_description") || answer.get("error")}`);
  if (!kept || !answer.get("code") || answer.get("state") !== kept.state) {
    throw new Error("This sign-in was not begun in this tab.");
  }
  const response = await fetch(`${config.domain}/oauth2/token`, {
    method: "POST",
    credentials: "omit",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      client_id: config.client,
      code: answer.get("code"),
      redirect_uri: config.redirect,
      code_verifier: kept.verifier,
    }),
  });
  const tokens = await response.json();
  if (!tokens.id_token) throw new Error(`Cognito gave no token: ${tokens.error || response.status}`);
  const form = document.getElementById("hand-in");
  form.elements.id_token.value = tokens.id_token;
  form.elements.next.value = kept.next;
  form.submit();
}

const button = document.getElementById("sign-in");
const progress = document.getElementById("progress");
const farewell = document.getElementById("sign-out");
const page = document.getElementById("cognito");
if (farewell) {
  location.assign(farewell.href);
} else if (page && button) {
  button.addEventListener("click", () => begin(JSON.parse(page.textContent)));
} else if (page && progress) {
  finish(JSON.parse(page.textContent)).catch((error) => {
    progress.textContent = `${error.message} Go back to /admin/ and sign in once more.`;
  });
}
