/* What Python calls in the compiled part; read by the C compiler and by cffi alike. */

int native_version(void);
