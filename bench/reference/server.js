// The reference: reads each terminal and broadcasts every chunk as JSON to every socket. It stores
// nothing, knows no screen, asks nobody who they are and waits for nobody.
//
//   node server.js PORT
//
//   POST /sessions {command, cols, rows}   201 {id}
//   /ws   initial-state, then session:output and session:completed of all sessions;
//         takes {type: "input", sessionId, data}

import { randomUUID } from "node:crypto";
import http from "node:http";

import pty from "node-pty";
import { WebSocketServer } from "ws";

const terminals = new Map();
const server = http.createServer(answer);
const sockets = new WebSocketServer({ server, path: "/ws", perMessageDeflate: false });

function broadcast(message) {
  const text = JSON.stringify(message);
  for (const socket of sockets.clients) {
    if (socket.readyState === socket.OPEN) socket.send(text);
  }
}

function start({ command: [file, ...args], cols, rows }) {
  const sessionId = randomUUID();
  const terminal = pty.spawn(file, args, { cols, rows, cwd: "/tmp", env: process.env });
  terminals.set(sessionId, terminal);
  const about = (type) => ({ type, timestamp: new Date().toISOString(), sessionId });
  terminal.onData((data) => {
    broadcast({ ...about("session:output"), stream: "stdout", data });
  });
  terminal.onExit(({ exitCode }) => {
    terminals.delete(sessionId);
    broadcast({ ...about("session:completed"), exitCode });
  });
  return sessionId;
}

async function answer(request, response) {
  if (request.method !== "POST" || request.url !== "/sessions") {
    response.writeHead(request.url === "/health" ? 200 : 404).end();
    return;
  }
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const id = start(JSON.parse(Buffer.concat(chunks)));
  response.writeHead(201, { "Content-Type": "application/json" }).end(JSON.stringify({ id }));
}

sockets.on("connection", (socket) => {
  socket.send(JSON.stringify({ type: "initial-state", sessions: [...terminals.keys()] }));
  socket.on("message", (text) => {
    const { type, sessionId, data } = JSON.parse(text);
    if (type === "input") terminals.get(sessionId)?.write(data);
  });
});

server.listen(Number(process.argv[2]), "127.0.0.1");
