// What the worker gives pi: models with their keys, and MCP servers. GIVEN is replaced by JSON when it is written.
const given = GIVEN;

// "$" and "!" begin what pi would put in the place of a setting.
const literally = (text) => text.replace(/\$/g, "$$$$").replace(/^!/, "$$!");

export default function (pi) {
  for (const [name, server] of Object.entries(given.mcpServers)) pi.registerMcpServer(name, server);
  for (const [name, { key, ...settings }] of Object.entries(given.providers)) {
    const value = process.env[key];
    if (!value) continue;
    pi.registerProvider(name, { ...settings, apiKey: literally(value) });
    delete process.env[key]; // commands of the agent inherit what is left
  }
}
