#!/usr/bin/env node
// A model server on loopback that follows a script instead of thinking: it speaks Anthropic
// Messages, OpenAI Responses and Chat Completions, and Gemini generateContent, so that real agents
// run real tool calls without a network or an account. Tests only.
//
// usage: node model.mjs DIR
//   DIR/script.json  the steps, read anew at each request; one a tool turn:
//                    {"shell": "command"}            the agent's shell tool
//                                                    ("args": {} adds to the call's arguments)
//                    {"read": "path"}                its file reading tool, or cat in its shell
//                    {"search": "text"}              its search tool, or grep in its shell
//                    {"edit": "path", "old": "text", "new": "text"}   its editor, or a patch
//                    {"tool": "name", "args": {}}    exactly that tool, or the one whose name ends in
//                                                    _name or -name; the last turn if not offered
//   DIR/ports        written once both listen: the model's port and that of an "evil" server
//   DIR/requests     every request to the model, a JSON line each
//   DIR/evil         every request to the evil server, a JSON line each
// The turn is the number of tool results in the conversation, so the server keeps no state. After
// the last step the answer is "DONE", then every result, one a line.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import zlib from 'node:zlib';

const dir = process.argv[2];
const inDir = name => path.join(dir, name);
const note = (file, value) => fs.appendFileSync(inDir(file), JSON.stringify(value) + '\n');
let serial = 0;
const newId = prefix => `${prefix}_${process.pid}${(serial++).toString(36)}`;

const SHELLS = ['Bash', 'bash', 'shell_command', 'exec_command', 'local_shell', 'shell',
  'run_shell_command', 'execute_command', 'run_commands', 'container.exec', 'unified_exec'];
const READERS = ['Read', 'read', 'read_file', 'view', 'read_files'];
const SEARCHERS = ['Grep', 'grep', 'grep_search', 'search_codebase'];
const EDITORS = ['Edit', 'edit', 'replace', 'editor'];
const PATHS = ['file_path', 'filePath', 'absolute_path', 'path', 'paths', 'files'];

function byName(tools, names) {
  for (const name of names) {
    const tool = tools.find(t => t.name === name);
    if (tool) return tool;
  }
  return undefined;
}

// Arguments from the tool's own schema: the value under the first key it knows, the rest filled.
function fill(tool, keys, value) {
  const properties = tool.schema?.properties ?? {};
  const key = keys.find(k => properties[k]) ?? keys[0];
  const many = properties[key]?.type === 'array';
  const args = { [key]: value };
  if (many) args[key] = key === 'command' ? ['bash', '-lc', value] : [value];
  for (const name of tool.schema?.required ?? []) {
    if (name in args) continue;
    const { type, enum: choices } = properties[name] ?? {};
    if (choices) args[name] = choices[0];
    else if (type === 'boolean') args[name] = false;
    else if (type === 'number' || type === 'integer') args[name] = 1;
    else args[name] = type === 'array' ? [] : 'x';
  }
  return args;
}

function shellCall(tools, command) {
  const tool = byName(tools, SHELLS);
  return tool && { tool, args: fill(tool, ['command', 'cmd', 'commands', 'script'], command) };
}

function searchCall(tools, text) {
  const tool = byName(tools, SEARCHERS);
  if (!tool) return shellCall(tools, `grep -rn --exclude-dir=.git '${text}' .`);
  return { tool, args: fill(tool, ['pattern', 'queries'], text) };
}

function editCall(tools, step) {
  const tool = byName(tools, EDITORS);
  if (!tool) {
    const patch = [`*** Update File: ${step.edit}`, '@@', `-${step.old}`, `+${step.new}`].join('\n');
    return shellCall(tools, `apply_patch <<'EOF'\n*** Begin Patch\n${patch}\n*** End Patch\nEOF`);
  }
  const known = tool.schema?.properties ?? {};
  const put = (args, keys, value) => ({ ...args, [keys.find(k => known[k])]: value });
  let args = fill(tool, PATHS, step.edit);
  if (known.edits) return { tool, args: { ...args, edits: [{ oldText: step.old, newText: step.new }] } };
  args = put(args, ['old_string', 'oldString', 'old_str', 'old_text'], step.old);
  return { tool, args: put(args, ['new_string', 'newString', 'new_str', 'new_text'], step.new) };
}

// The tool call of this turn, or undefined when the script is over.
function plan(tools, results) {
  const steps = JSON.parse(fs.readFileSync(inDir('script.json'), 'utf8'));
  const step = tools.length ? steps[results.length] : undefined;
  if (!step) return undefined;
  if (step.shell !== undefined) {
    const call = shellCall(tools, step.shell);
    return call && { ...call, args: { ...call.args, ...step.args } };
  }
  if (step.search !== undefined) return searchCall(tools, step.search);
  if (step.edit !== undefined) return editCall(tools, step);
  if (step.read !== undefined) {
    const tool = byName(tools, READERS);
    if (tool) return { tool, args: fill(tool, PATHS, step.read) };
    return shellCall(tools, `cat '${step.read}'`);
  }
  const tool = byName(tools, [step.tool]) ?? tools.find(t => new RegExp(`[_-]${step.tool}$`).test(t.name));
  return tool && { tool, args: step.args ?? {} };
}

const text = value => (typeof value === 'string' ? value : JSON.stringify(value));
const answer = results => ['DONE', ...results.map(text)].join('\n');

function sendJson(res, value, status = 200) {
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(JSON.stringify(value));
}

// events: [name or undefined, data]
function sendEvents(res, events, last = '') {
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const [name, data] of events) {
    res.write(`${name ? `event: ${name}\n` : ''}data: ${JSON.stringify(data)}\n\n`);
  }
  res.end(last);
}

function anthropic(body, res) {
  const tools = (body.tools ?? []).map(t => ({ name: t.name, schema: t.input_schema }));
  const results = (body.messages ?? []).flatMap(m => (Array.isArray(m.content) ? m.content : []))
    .filter(c => c.type === 'tool_result')
    .map(c => (Array.isArray(c.content) ? c.content.map(p => p.text ?? '').join('') : c.content));
  const call = plan(tools, results);
  const block = call
    ? { type: 'tool_use', id: newId('toolu'), name: call.tool.name, input: call.args }
    : { type: 'text', text: answer(results) };
  const usage = { input_tokens: 1, output_tokens: 1 };
  const stop = { stop_reason: call ? 'tool_use' : 'end_turn', stop_sequence: null };
  const message = { id: newId('msg'), type: 'message', role: 'assistant', model: body.model, usage };
  if (!body.stream) return sendJson(res, { ...message, ...stop, content: [block] });
  const empty = call ? { ...block, input: {} } : { type: 'text', text: '' };
  const delta = call
    ? { type: 'input_json_delta', partial_json: JSON.stringify(call.args) }
    : { type: 'text_delta', text: block.text };
  return sendEvents(res, [
    ['message_start', { message: { ...message, content: [], stop_reason: null } }],
    ['content_block_start', { index: 0, content_block: empty }],
    ['content_block_delta', { index: 0, delta }],
    ['content_block_stop', { index: 0 }],
    ['message_delta', { delta: stop, usage: { output_tokens: 1 } }],
    ['message_stop', {}],
  ].map(([type, data]) => [type, { type, ...data }]));
}

function responsesItem(call, results) {
  if (!call) {
    const content = [{ type: 'output_text', text: answer(results), annotations: [] }];
    return { type: 'message', id: newId('msg'), role: 'assistant', status: 'completed', content };
  }
  const common = { id: newId('item'), call_id: newId('call'), status: 'completed' };
  if (call.tool.kind === 'local_shell') {
    return { ...common, type: 'local_shell_call', action: { type: 'exec', command: call.args.command } };
  }
  if (call.tool.kind === 'custom') {
    return { ...common, type: 'custom_tool_call', name: call.tool.name, input: call.args.input };
  }
  return { ...common, type: 'function_call', name: call.tool.name, arguments: JSON.stringify(call.args),
    ...(call.tool.namespace && { namespace: call.tool.namespace }) };
}

function responses(body, res) {
  const tools = (body.tools ?? [])
    .flatMap(t => (t.type === 'namespace' ? t.tools.map(u => ({ ...u, namespace: t.name })) : [t]))
    .map(t => ({ name: t.name ?? t.type, schema: t.parameters, kind: t.type, namespace: t.namespace }));
  const results = (Array.isArray(body.input) ? body.input : [])
    .filter(i => /_call_output$/.test(i.type ?? '')).map(i => i.output);
  const item = responsesItem(plan(tools, results), results);
  const usage = {
    input_tokens: 1, output_tokens: 1, total_tokens: 2,
    input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 },
  };
  const done = { id: newId('resp'), object: 'response', status: 'completed', model: body.model,
    created_at: 1, output: [item], usage, error: null };
  if (!body.stream) return sendJson(res, done);
  const started = { ...item, ...(item.content && { content: [] }), status: 'in_progress' };
  return sendEvents(res, [
    ['response.created', { response: { ...done, status: 'in_progress', output: [], usage: null } }],
    ['response.output_item.added', { output_index: 0, item: started }],
    ['response.output_item.done', { output_index: 0, item }],
    ['response.completed', { response: done }],
  ].map(([type, data], i) => [type, { type, sequence_number: i, ...data }]));
}

function chat(body, res) {
  const tools = (body.tools ?? []).map(t => ({ name: t.function.name, schema: t.function.parameters }));
  const results = (body.messages ?? []).filter(m => m.role === 'tool').map(m => m.content);
  const call = plan(tools, results);
  const fn = call && { name: call.tool.name, arguments: JSON.stringify(call.args) };
  const message = call
    ? { content: null, tool_calls: [{ index: 0, id: newId('call'), type: 'function', function: fn }] }
    : { content: answer(results) };
  const finish = call ? 'tool_calls' : 'stop';
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  const head = { id: newId('chatcmpl'), created: 1, model: body.model };
  if (!body.stream) {
    const choice = { index: 0, message: { role: 'assistant', ...message }, finish_reason: finish };
    return sendJson(res, { ...head, object: 'chat.completion', choices: [choice], usage });
  }
  const chunk = (delta, end, more) => [undefined, { ...head, object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason: end }], ...more }];
  return sendEvents(res, [chunk({ role: 'assistant', ...message }, null), chunk({}, finish, { usage })],
    'data: [DONE]\n\n');
}

function gemini(body, res, url) {
  const tools = (body.tools ?? []).flatMap(t => t.functionDeclarations ?? [])
    .map(t => ({ name: t.name, schema: t.parametersJsonSchema ?? t.parameters }));
  const results = (body.contents ?? []).flatMap(c => c.parts ?? [])
    .filter(p => p.functionResponse).map(p => p.functionResponse.response);
  const call = body.generationConfig?.responseMimeType ? undefined : plan(tools, results);
  const part = call
    ? { functionCall: { name: call.tool.name, args: call.args } }
    : { text: body.generationConfig?.responseMimeType ? '{}' : answer(results) };
  const reply = {
    candidates: [{ index: 0, content: { role: 'model', parts: [part] }, finishReason: 'STOP' }],
    usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 },
  };
  return /stream/i.test(url) ? sendEvents(res, [[undefined, reply]]) : sendJson(res, reply);
}

const MODELS = {
  object: 'list', has_more: false, models: [],
  data: [{ id: 'fake-model', object: 'model', type: 'model', created: 1, display_name: 'fake' }],
};
const ROUTES = [
  [/count_?tokens/i, (body, res) => sendJson(res, { input_tokens: 1, totalTokens: 1 })],
  [/\/messages(\?|$)/, anthropic],
  [/\/responses(\?|$)/, responses],
  [/\/chat\/completions/, chat],
  [/generateContent/i, gemini],
  [/\/models/, (body, res) => sendJson(res, MODELS)],
];

function unpack(req, raw) {
  switch (req.headers['content-encoding']) {
    case 'gzip': return zlib.gunzipSync(raw);
    case 'br': return zlib.brotliDecompressSync(raw);
    case 'zstd': return zlib.zstdDecompressSync(raw);
    default: return raw;
  }
}

function serve(req, res, raw) {
  try {
    const body = raw.length ? JSON.parse(unpack(req, raw)) : {};
    note('requests', { method: req.method, url: req.url, body });
    const route = ROUTES.find(([pattern]) => pattern.test(req.url));
    if (!route) return sendJson(res, { error: { type: 'not_found', message: req.url } }, 404);
    return route[1](body, res, req.url);
  } catch (error) {
    note('requests', { error: String(error.stack) });
    return sendJson(res, { error: { type: 'api_error', message: String(error) } }, 500);
  }
}

function collect(handle) {
  return http.createServer((req, res) => {
    const parts = [];
    req.on('data', part => parts.push(part));
    req.on('end', () => handle(req, res, Buffer.concat(parts)));
  });
}

const model = collect(serve);
const evil = collect((req, res, raw) => {
  note('evil', { url: req.url, body: raw.toString() });
  res.end('thank you\n');
});
model.listen(0, '127.0.0.1', () => evil.listen(0, '127.0.0.1', () => {
  fs.writeFileSync(inDir('ports.part'), `${model.address().port} ${evil.address().port}\n`);
  fs.renameSync(inDir('ports.part'), inDir('ports'));
}));
