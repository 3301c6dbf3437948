/* ResNet-20 for CIFAR-10 with projection shortcuts has 272,474 parameters. */
#include <stdint.h>
#include <stdio.h>

int64_t plugin_parameters(const char* network);

int main(void) {
  const int64_t known = plugin_parameters("resnet20");
  const int64_t unknown = plugin_parameters("no such network");
  printf("%lld %lld\n", (long long)known, (long long)unknown);
  return known == 272474 && unknown == -1 ? 0 : 1;
}
