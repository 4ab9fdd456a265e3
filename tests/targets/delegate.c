/* A TFLite external delegate that takes over TANH on float32, for tests of the whole path.
 * Its option `mode` makes it fail in create, prepare or invoke, crash, hang, or give wrong results. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, ERROR = 1, BUILTIN_TANH = 28 };

typedef struct { int size; int data[]; } IntArray;
typedef struct { float scale; int32_t zero_point; } Quantization;
typedef struct {
  int type; void *data; IntArray *dims; Quantization params; int allocation_type; size_t bytes;
  const void *allocation; const char *name; void *delegate; int buffer_handle; char stale, variable;
  int quantization_type; void *quantization; void *sparsity; const IntArray *dims_signature;
} Tensor;
typedef struct { IntArray *inputs; IntArray *outputs; IntArray *intermediates; IntArray *temporaries; void *user_data; } Node;
typedef struct Context Context;
typedef struct Registration {
  void *(*init)(Context *, const char *, size_t); void (*free)(Context *, void *);
  int (*prepare)(Context *, Node *); int (*invoke)(Context *, Node *);
  const char *(*profiling_string)(const Context *, const Node *);
  int32_t builtin_code; const char *custom_name; int version; void *external; void *async; uint64_t inplace;
} Registration;
typedef struct Delegate Delegate;
struct Context {
  size_t tensors_size; int (*GetExecutionPlan)(Context *, IntArray **); Tensor *tensors; void *impl;
  int (*ResizeTensor)(Context *, Tensor *, IntArray *); void (*ReportError)(Context *, const char *, ...);
  int (*AddTensors)(Context *, int, int *);
  int (*GetNodeAndRegistration)(Context *, int, Node **, Registration **);
  int (*ReplaceNodeSubsetsWithDelegateKernels)(Context *, Registration, const IntArray *, Delegate *);
};
struct Delegate {
  void *data; int (*Prepare)(Context *, Delegate *);
  int (*CopyFrom)(Context *, Delegate *, int, Tensor *); int (*CopyTo)(Context *, Delegate *, int, Tensor *);
  void (*FreeHandle)(Context *, Delegate *, int *); int64_t flags; void *builder;
};
typedef struct { Delegate *delegate; IntArray *nodes; IntArray *inputs; IntArray *outputs; } Params;

static char mode[32] = "ok";

static int is(const char *name) { return strcmp(mode, name) == 0; }

static void *kernel_init(Context *context, const char *buffer, size_t length) {
  (void)context; (void)length;
  Params *params = malloc(sizeof *params);
  memcpy(params, buffer, sizeof *params);
  return params;
}
static void kernel_free(Context *context, void *data) { (void)context; free(data); }
static int kernel_prepare(Context *context, Node *node) {
  (void)node;
  if (!is("fail-prepare")) return OK;
  context->ReportError(context, "the accelerator refuses this network");
  return ERROR;
}
static int kernel_invoke(Context *context, Node *node) {
  if (is("fail-invoke")) { context->ReportError(context, "the accelerator stopped"); return ERROR; }
  if (is("crash")) *(volatile int *)0 = 1;
  while (is("hang")) sleep(1);
  for (int i = 0; i < node->outputs->size; i++) {
    Tensor *in = &context->tensors[node->inputs->data[i]], *out = &context->tensors[node->outputs->data[i]];
    for (size_t k = 0; k < out->bytes / 4; k++)
      ((float *)out->data)[k] = is("wrong") ? 0.25f : tanhf(((float *)in->data)[k]);
  }
  return OK;
}

static int delegate_prepare(Context *context, Delegate *delegate) {
  IntArray *plan;
  if (context->GetExecutionPlan(context, &plan) != OK) return ERROR;
  IntArray *mine = malloc(sizeof(int) * (plan->size + 1));
  mine->size = 0;
  for (int i = 0; i < plan->size; i++) {
    Node *node; Registration *registration;
    if (context->GetNodeAndRegistration(context, plan->data[i], &node, &registration) != OK) return ERROR;
    if (registration->builtin_code == BUILTIN_TANH) mine->data[mine->size++] = plan->data[i];
  }
  Registration kernel = {0};
  kernel.init = kernel_init; kernel.free = kernel_free; kernel.prepare = kernel_prepare; kernel.invoke = kernel_invoke;
  kernel.custom_name = "TestDelegate"; kernel.version = 1;
  int status = context->ReplaceNodeSubsetsWithDelegateKernels(context, kernel, mine, delegate);
  free(mine);
  return status;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(keys[i], "mode") == 0) strncpy(mode, values[i], sizeof mode - 1);
  if (is("fail-create")) { report("no accelerator is attached"); return NULL; }
  Delegate *delegate = calloc(1, sizeof *delegate + 256);
  delegate->Prepare = delegate_prepare;
  return delegate;
}
void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
