import eslint from '@eslint/js';
import jupyter from '@jupyter/eslint-plugin';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    ignores: [
      'node_modules',
      'lib',
      'mlk_jupyter',
      'ui-tests',
      '.venv',
      'dist',
      'docs',
      'src/api/types.ts'
    ]
  },
  eslint.configs.recommended,
  {
    files: ['src/**/*.{ts,tsx}', '*.ts'],
    extends: [tseslint.configs.recommended],
    rules: {
      '@typescript-eslint/naming-convention': [
        'error',
        { selector: 'interface', format: ['PascalCase'], custom: { regex: '^I[A-Z]', match: true } }
      ],
      '@typescript-eslint/no-namespace': 'off',
      // a token and its interface share one name, as everywhere in JupyterLab
      '@typescript-eslint/no-redeclare': 'off',
      curly: ['error', 'all'],
      eqeqeq: 'error'
    }
  },
  {
    plugins: { jupyter }
  },
  ...jupyter.configs.recommended,
  {
    files: ['src/plugins/**'],
    rules: {
      'jupyter/prefer-lazy-imports': [
        'warn',
        // The model counts for the status bar from the start; what is only opened later is imported later.
        { ignoreImports: ['../api', '../jobs/model'] }
      ]
    }
  },
  {
    // tests name nothing that a person reads
    files: ['src/**/__tests__/**'],
    rules: { 'jupyter/no-untranslated-string': 'off' }
  }
);
