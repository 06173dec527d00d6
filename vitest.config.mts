import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    // the CommonJS build hides its default export from JupyterLab's ESM packages
    alias: [{ find: /^@rjsf\/core$/, replacement: '@rjsf/core/lib/index.js' }]
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/__tests__/**/*.test.{ts,tsx}'],
    setupFiles: ['./vitest.setup.ts'],
    restoreMocks: true,
    // Jupyter's packages import style sheets and icons; vite has to transform them.
    server: {
      deps: {
        inline: [/@jupyterlab\//, /@jupyter\//, /@lumino\//, /@rjsf\//, /lib0/, /y-protocols/]
      }
    }
  }
});
