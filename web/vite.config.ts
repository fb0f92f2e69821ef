import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// The server takes what is built from beside its own code; while developing, `npx vite` asks a server on its usual port.
export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: {
    outDir: '../src/agent_swarm/server/web',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
  },
  server: { proxy: { '/api': 'http://127.0.0.1:3013' } },
  test: { include: ['tests/**/*.test.ts'] },
})
